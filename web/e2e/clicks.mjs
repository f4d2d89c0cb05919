// Presses every button, link, field and key of every page once in both languages and looks at what comes of it:
// node e2e/clicks.mjs --bin ../bin/yagura [--language en|ja]. It starts a server of its own without a sensor, feeds it our
// authored attacks, and reads its mails. table.mjs says what must happen; what the table does not know fails.
import { strict as assert } from 'node:assert';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { transformWithOxc } from 'vite';
import { detain } from './detain.mjs';
import { mailbox } from './mailbox.mjs';
import { launch, newPage, totp, user, violations } from './session.mjs';
import { controls, keys, selected, shell, states } from './table.mjs';

const { values } = parseArgs({
  options: {
    bin: { type: 'string' },
    only: { type: 'string' },
    language: { type: 'string' },
    shots: { type: 'string' },
  },
});
const root = join(import.meta.dirname, '../..');
const bin = values.bin ?? join(root, 'bin/yagura');
const begin = Date.now();

// Both languages side by side, each with a server and a browser of its own: one alone waits for its one page.
if (!values.language && !values.only) {
  const children = ['en', 'ja'].map((language) =>
    spawn(process.execPath, [...process.argv.slice(1), '--language', language], { stdio: 'inherit' }),
  );
  for (const signal of ['SIGTERM', 'SIGINT'])
    process.on(signal, () => {
      for (const child of children) child.kill(signal);
    });
  const codes = await Promise.all(
    children.map((child) => new Promise((done) => child.on('close', (c) => done(c ?? 1)))),
  );
  process.exit(Math.max(...codes));
}

let passed = 0;
const failures = [];
async function test(name, body) {
  const at = Date.now();
  try {
    await body();
    passed += 1;
    if (process.env.CLICKS_TIMES) console.log(`ok    ${name} (${Date.now() - at} ms)`);
  } catch (error) {
    failures.push(name);
    console.log(`FAIL  ${name}\n      ${String(error.message ?? error).replaceAll('\n', '\n      ')}`);
  }
}

// The messages of both languages, from their source.
const messages = {};
for (const l of ['en', 'ja']) {
  const file = join(root, `web/src/i18n/${l}.ts`);
  const { code } = await transformWithOxc(readFileSync(file, 'utf8'), file);
  messages[l] = (await import(`data:text/javascript,${encodeURIComponent(code)}`))[l];
}

// A server with what attacks left behind, and a mailbox.
const post = await mailbox();
const data = mkdtempSync(join(tmpdir(), 'yagura-clicks-'));
const ready = join(data, 'ready.json');
const server = spawn(
  bin,
  [
    'server',
    '--data',
    join(data, 'server'),
    '--listen',
    '127.0.0.1:0',
    '--sensor-listen',
    '127.0.0.1:0',
    '--ready-file',
    ready,
    '--notify-smtp-host',
    '127.0.0.1',
    '--notify-smtp-port',
    String(post.port),
    '--notify-smtp-tls',
    'none',
    '--notify-smtp-from',
    'yagura@example.test',
    '--notify-smtp-to',
    'soc@example.test',
    '--notify-language',
    'en',
  ],
  { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, LC_ALL: 'C.UTF-8' } },
);
let complaints = '';
server.stderr.on('data', (b) => {
  complaints += b;
});
const yagura = (...args) =>
  execFileSync(bin, ['--data', join(data, 'server'), ...args], {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C.UTF-8' },
  });
const until = async (what, ok, ms = 10_000) => {
  for (const end = Date.now() + ms; ; ) {
    if (await ok()) return;
    if (Date.now() > end) throw new Error(`not within ${ms / 1000} s: ${what}`);
    await new Promise((go) => setTimeout(go, 50));
  }
};
const read = () => {
  try {
    return JSON.parse(readFileSync(ready, 'utf8'));
  } catch {
    return undefined;
  }
};

let browser;
try {
  await until('the server is up', () => read()?.sign_in, 30_000);
  const { url: origin, sign_in: firstLink } = read();
  for (const story of ['web-shell', 'spear-phish-browser-open', 'persistence-cron', 'web-shell-entry-not-seen']) {
    const whole = readFileSync(join(root, `scenario/testdata/${story}.txtar`), 'utf8');
    const events = whole.split('-- events.ndjson --\n')[1].split(/^-- /m)[0].replace(/^\S+ /gm, '');
    const file = join(data, `${story}.ndjson`);
    writeFileSync(file, events);
    yagura('replay', '--now', '--host', story, file);
  }
  detain(join(data, 'server'));
  const listed = () => JSON.parse(yagura('incidents', '--json')) ?? [];
  await until('four incidents', () => listed().length >= 4, 30_000);
  const incident = (host) => listed().find((i) => i.hostnames.includes(host)).id;
  const ID = {
    ID: incident('web-shell'),
    CLAIMED: incident('spear-phish-browser-open'),
    CLOSED: incident('persistence-cron'),
  };
  const host = JSON.parse(yagura('hosts', '--json')).find((h) => h.name === 'persistence-cron').id;
  // An action that stays queued: no sensor takes it.
  const asked = spawn(bin, ['--data', join(data, 'server'), 'respond', 'isolate', host], { stdio: 'ignore' });
  await until('an action is listed', () => JSON.parse(yagura('actions', '--json'))?.length > 0);
  asked.kill();

  browser = await launch();
  const { context, page, faults } = await newPage(browser, { viewport: { width: 1440, height: 900 } });
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  page.setDefaultTimeout(10_000);
  page.on('response', (r) => {
    if (r.status() >= 500) faults.push(`${r.status()} ${r.url()}`);
  });
  let tenant = '';
  let secret = '';

  const setUp = async (link, language) => {
    await page.goto(`${origin}/sign-in`);
    await page.evaluate((l) => localStorage.setItem('yagura.language', l), language);
    await page.goto('about:blank');
    await page.goto(link);
    const lost = page.getByRole('button', { name: messages[language].lostCredentials });
    await page.locator('[data-totp-secret]').or(lost).waitFor();
    if (await lost.isVisible()) await lost.click();
    await page.locator('[data-totp-secret]').waitFor();
    secret = (await page.locator('[data-totp-secret]').textContent()).trim();
    const t = messages[language];
    // A mistake is told in the page's language, with the field's name and what was typed still there.
    await page.locator('input[name=name]').fill(user.name);
    await page.locator('input[name=password]').fill('short');
    await page.locator('input[name=code]').fill('000000');
    await page.locator('button[type=submit]').click();
    await until('the mistake is told', async () => (await page.locator('[role=alert]').textContent()) !== '');
    const told = await page.locator('[role=alert]').textContent();
    assert.match(told, language === 'ja' ? /パスワード.*12/ : /the password is shorter than 12/);
    await page.getByRole('button', { name: t.copy }).click();
    await page.getByRole('button', { name: t.copied }).waitFor();
    await page.locator('input[name=password]').fill(user.password);
    await page.locator('input[name=code]').fill(totp(secret));
    await page.locator('button[type=submit]').click();
    await page.waitForURL(/\/t\/[^/]+\/home/);
    tenant = new URL(page.url()).pathname.split('/')[2];
  };

  const look = () =>
    page.evaluate(() => {
      const shown = [...document.querySelectorAll('input, textarea, select')].map((e) => e.value).join('|');
      const pressed = [...document.querySelectorAll('[aria-pressed], [aria-expanded], [aria-selected]')]
        .map(
          (e) =>
            `${e.getAttribute('aria-pressed')}${e.getAttribute('aria-expanded')}${e.getAttribute('aria-selected')}`,
        )
        .join('');
      // biome-ignore lint/performance/useDomNodeTextContent: what is not drawn must not count
      return `${location.pathname}${location.search}\n${document.body.innerText}\n${shown}\n${pressed}\n${document.documentElement.dataset.theme}`;
    });
  const esc = async () => {
    await page.keyboard.press('Escape');
    await page.locator('dialog[open]').waitFor({ state: 'detached' });
  };
  // A page is loaded anew only where something that lives longer than a screen was changed; else the console's own
  // router leads to it, by way of a page that is not there, so that nothing of the last screen is left.
  let fresh = false;
  const enter = async (name, language) => {
    const s = states[name];
    const path = `/t/${tenant}/${s.path.replace(/\b(CLAIMED|CLOSED|ID)\b/, (w) => ID[w])}`;
    const warm =
      fresh &&
      (await page.evaluate(
        ([l, o]) =>
          location.origin === o &&
          location.pathname.startsWith('/t/') &&
          document.documentElement.lang === l &&
          document.documentElement.dataset.theme === 'dark' &&
          document.querySelector('dialog[open]') === null &&
          document.querySelector('[data-live=live]') !== null,
        [language, origin],
      ));
    // What the last screen still had to write into the address may lead back to it: then the page is loaded anew.
    const away =
      warm &&
      (await page
        .evaluate((p) => history.pushState(null, '', p), `/t/${tenant}/nothing-here`)
        .then(() => page.locator('h1', { hasText: messages[language].notFoundTitle }).waitFor({ timeout: 3000 }))
        .then(
          () => true,
          () => false,
        ));
    if (away) {
      await page.evaluate((p) => {
        document.activeElement?.blur();
        history.pushState(null, '', p);
      }, path);
      await page.mouse.move(720, 2);
    } else {
      await page.evaluate((l) => {
        localStorage.setItem('yagura.language', l);
        localStorage.setItem('yagura.theme', 'dark');
        localStorage.removeItem('yagura.single-keys');
        localStorage.removeItem('yagura.zone');
      }, language);
      await page.goto(`${origin}${path}`);
      await page.locator('[data-live=live]').waitFor();
    }
    fresh = true;
    if (s.ready) await page.locator(s.ready).first().waitFor();
    else await page.locator('#main [data-known]').first().waitFor();
    if (s.filter) await page.locator('[data-filter]').fill(s.filter);
    for (const k of s.keys ?? []) await page.keyboard.press(k);
    if (s.keys?.includes('j')) await page.locator('[aria-selected=true]').first().waitFor();
    if (s.until) await page.locator(s.until).first().waitFor();
  };
  /**
   * Every control that can be seen and pressed now (of the open dialog, else of the page; in #main or outside it) with
   * the first row that fits it: `by` says for each row its first control, `strangers` what no row speaks for. It is one
   * question to the page: a story has a hundred controls, and asking for each of them apart took most of the time.
   */
  const pair = async (rows, inMain, t) => {
    const asked = rows.map((r) => {
      const css = (typeof r.css === 'function' ? r.css(t) : r.css) ?? '*';
      const text = /:has-text\("(.*)"\)$/.exec(css);
      return { name: r.name && t[r.name], css: text ? css.slice(0, text.index) : css, text: text?.[1] };
    });
    const { by, strangers } = await page.evaluate(
      ([rows, main]) => {
        const dialog = document.querySelector('dialog[open]');
        const scope = dialog ?? document.body;
        const by = [];
        const strangers = [];
        let n = 0;
        for (const e of document.querySelectorAll('[data-e2e]')) e.removeAttribute('data-e2e');
        for (const e of scope.querySelectorAll(
          'button, a[href], input, select, textarea, summary, [role=button], [role=tab], [role=switch], [contenteditable]',
        )) {
          if (!dialog && (e.closest('#main') !== null) !== main) continue;
          if (e.disabled || !e.checkVisibility({ visibilityProperty: true })) continue;
          const name =
            e.getAttribute('aria-label') ??
            [...e.childNodes]
              .map((c) => (c.nodeName === 'KBD' ? '' : c.textContent))
              .join('')
              .trim();
          e.setAttribute('data-e2e', String(n));
          const row = rows.findIndex(
            (r) =>
              (!r.name || r.name === name) &&
              e.matches(r.css) &&
              (!r.text || (e.textContent ?? '').toLowerCase().includes(r.text.toLowerCase())),
          );
          if (row < 0) strangers.push(`${name}: ${e.outerHTML.slice(0, 140)}`);
          else by[row] ??= n;
          n += 1;
        }
        return { by, strangers };
      },
      [asked, inMain],
    );
    return { by: new Map(rows.flatMap((r, i) => (typeof by[i] === 'number' ? [[r, by[i]]] : []))), strangers };
  };
  const press = async (row, n) => {
    const control = page.locator(`[data-e2e="${n}"]`);
    if (row.press) await row.press(control, page);
    else await control.click();
  };

  /** Text that a Japanese reader sees and that is not Japanese, but for names and what came from a host. */
  const english = () =>
    page.evaluate(() => {
      const names =
        /\b(Yagura|ATT&CK|CLI|PID|UTC|DNS|URL|ID|SHA-256|TOTP|QR|Critical|High|Medium|Low|Info|EN|English|Tab|Enter|Esc|DIR|DHCP|KiB|MiB|GiB|J|K|ms|eBPF|yagura-sensor|main)\b/g;
      const found = [];
      const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
      for (let node = walk.nextNode(); node; node = walk.nextNode()) {
        const e = node.parentElement;
        if (
          !e ||
          e.closest('[translate=no], [lang=en], kbd, script, style, option[translate=no]') ||
          !e.checkVisibility()
        )
          continue;
        const text = node.textContent ?? '';
        if (/[ぁ-んァ-ヶ一-鿿]/.test(text)) continue;
        if (/[A-Za-z]{3,}/.test(text.replace(names, ''))) found.push(text.trim().slice(0, 80));
      }
      for (const e of document.querySelectorAll('[title], [aria-label], [placeholder], [alt]')) {
        if (e.closest('[translate=no], [lang=en]') || !e.checkVisibility()) continue;
        for (const a of ['title', 'aria-label', 'placeholder', 'alt']) {
          const text = e.getAttribute(a) ?? '';
          if (!/[ぁ-んァ-ヶ一-鿿]/.test(text) && /[A-Za-z]{3,}/.test(text.replace(names, '')))
            found.push(`${a}: ${text.slice(0, 80)}`);
        }
      }
      return [...new Set(found)];
    });

  /** Each language in a theme of its own: with the journey of run.mjs both are seen in both. */
  const accessible = async (language) => {
    const before = await page.evaluate(
      (theme) => {
        const had = document.documentElement.dataset.theme;
        document.documentElement.dataset.theme = theme;
        return had;
      },
      language === 'ja' ? 'light' : 'dark',
    );
    try {
      return await violations(page);
    } finally {
      await page.evaluate((theme) => {
        document.documentElement.dataset.theme = theme;
      }, before);
    }
  };

  const walk = async (language) => {
    const t = messages[language];
    const effect = async (row, n, name) => {
      const before = await look();
      if (row.again) fresh = false;
      await press(row, n);
      await row.does({ page, t, language, until, look, before, esc, name });
    };
    const used = new Set();
    const order = Object.keys(states).filter((s) => !values.only || s.startsWith(values.only));
    for (const name of order) {
      await test(`${language} ${name}: every control is in the table${language === 'ja' ? ', every sentence Japanese' : ''}`, async () => {
        await enter(name, language);
        const dialog = (await page.locator('dialog[open]').count()) > 0;
        const inside = await pair(controls[name] ?? [], true, t);
        const outside = dialog ? { strangers: [] } : await pair(shell, false, t);
        assert.deepEqual(
          [...inside.strangers, ...(name === 'missing' ? [] : outside.strangers)],
          [],
          'controls that table.mjs does not know',
        );
        if (language === 'ja') assert.deepEqual(await english(), [], 'English on a Japanese screen');
        // once a state: one half in English and dark, the other in Japanese and light
        if ((order.indexOf(name) % 2 === 0) === (language === 'en'))
          assert.deepEqual(await accessible(language), [], 'axe');
        if (values.shots)
          await page.screenshot({ path: join(values.shots, `${name.replace('/', '-')}-${language}.png`) });
      });
      const rows = (controls[name] ?? []).filter((r) => !r.last && !r.skip);
      for (const row of rows) {
        const what = row.name ?? (typeof row.css === 'function' ? row.css(t) : row.css);
        if (used.has(row)) continue; // a row of many pages is pressed where it first stands
        let there = true;
        await test(`${language} ${name}: ${what}`, async () => {
          await enter(name, language);
          const { by } = await pair(controls[name], true, t);
          there = by.has(row);
          if (there) await effect(row, by.get(row), name);
        });
        if (there) used.add(row);
      }
      // The keys that the page's own help lists, each pressed there.
      if (!name.includes('/') && !['help', 'missing'].includes(name)) {
        let ids = [];
        await test(`${language} ${name}: help lists keys of the table only`, async () => {
          await enter(name, language);
          await page.keyboard.press('?');
          ids = await page.locator('dialog[open] [data-key]').evaluateAll((l) => l.map((e) => e.dataset.key));
          await esc();
          assert.deepEqual(
            ids.filter((i) => !keys[i]),
            [],
            'keys that table.mjs does not know',
          );
          assert.ok(ids.includes('help') && ids.length > 8, `the help lists ${ids}`);
        });
        for (const id of ids) {
          if (keys[id].last || id === 'showNew') continue;
          // where the go-to keys lead does not depend on the list that is open: pressed on a page and on the story
          if (
            !['home', 'incident'].includes(name) &&
            /^(home|queue|incidents|hosts|events|rules|response|store)$/.test(id)
          )
            continue;
          await test(`${language} ${name}: key ${id}`, async () => {
            await enter(name, language);
            if (id === 'escape' && name === 'incident') await page.keyboard.press('j');
            const before = await look();
            for (const k of keys[id].press) await page.keyboard.press(k);
            await keys[id].does({ page, t, language, until, look, before, esc });
          });
        }
      }
    }
    if (values.only) return;
    for (const row of shell.filter((r) => !r.last)) {
      await test(`${language} frame: ${typeof row.css === 'function' ? row.css(t) : row.css}`, async () => {
        await enter('hosts', language);
        const { by } = await pair(shell, false, t);
        assert.ok(by.has(row), 'it is not there');
        await effect(row, by.get(row), 'frame');
        fresh = false;
      });
    }
    // Verdicts: each closes, and the incident comes back; a refusal keeps what was typed.
    const verdicts = await verdictIds(language);
    for (const v of verdicts) {
      await test(`${language} verdict ${v} closes the incident and it is reopened`, async () => {
        await enter('incident', language);
        await page.keyboard.press('v');
        await page.locator(`dialog input[value="${v}"]`).check();
        await page.locator('dialog textarea').fill(`because ${v}`);
        await page.locator('dialog button[type=submit]').click();
        await page.locator('dialog[open]').waitFor({ state: 'detached' });
        await page.getByRole('button', { name: t.reopen }).waitFor();
        const closed = JSON.parse(yagura('incidents', '--state', 'closed', '--json'));
        assert.ok(
          closed.some((i) => i.id === ID.ID && i.verdict === v && i.reason === `because ${v}`),
          JSON.stringify(closed),
        );
        await page.getByRole('button', { name: t.reopen }).click();
        await page.getByRole('button', { name: t.giveBack }).waitFor();
        await page.getByRole('button', { name: t.giveBack }).click();
        await page.getByRole('button', { name: t.claim }).waitFor();
      });
    }
    await test(`${language} a refused verdict keeps the reason`, async () => {
      await enter('incident', language);
      await page.keyboard.press('v');
      await page.locator('dialog input[value="BTP"]').check();
      await page.locator('dialog input[value="BTP"]').evaluate((e) => {
        e.value = 'no-such-verdict';
      });
      await page.locator('dialog textarea').fill('typed with care');
      await page.locator('dialog button[type=submit]').click();
      const told = page.locator('dialog [role=alert]');
      await told.waitFor();
      if (language === 'ja') assert.match(await told.textContent(), /判定/);
      assert.equal(await page.locator('dialog textarea').inputValue(), 'typed with care');
      await esc();
    });
    await meanwhile(language);
    await ways(language);
    // What changes the state of an incident, last.
    for (const [name, row] of Object.entries(controls).flatMap(([n, rows]) =>
      rows.filter((r) => r.last).map((r) => [n, r]),
    )) {
      await test(`${language} ${name}: ${row.name}`, async () => {
        await enter(name, language);
        const { by } = await pair(controls[name], true, t);
        assert.ok(by.has(row), 'it is not there');
        await effect(row, by.get(row), name);
      });
    }
    await test(`${language} incident: key claim, and given back`, async () => {
      await enter('incident', language);
      if ((await page.getByRole('button', { name: t.reopen }).count()) > 0)
        await page.getByRole('button', { name: t.reopen }).click();
      if ((await page.getByRole('button', { name: t.giveBack }).count()) > 0)
        await page.getByRole('button', { name: t.giveBack }).click();
      await page.getByRole('button', { name: t.claim }).waitFor();
      await page.keyboard.press('c');
      await page.getByRole('button', { name: t.giveBack }).click();
      await page.getByRole('button', { name: t.claim }).waitFor();
    });
    await test(`${language} frame: sign out`, async () => {
      await enter('home', language);
      await page.getByRole('button', { name: t.signOut }).click();
      await page.waitForURL(/\/sign-in/);
    });
  };
  /** An incident that was closed or taken is nobody's again. */
  const toNew = async (language) => {
    const t = messages[language];
    fresh = false;
    await enter('incident', language);
    const button = (key) => page.getByRole('button', { name: t[key] });
    await button('reopen').or(button('giveBack')).or(button('claim')).waitFor();
    if ((await button('reopen').count()) > 0) await button('reopen').click();
    await button('giveBack').or(button('claim')).waitFor();
    if ((await button('giveBack').count()) > 0) await button('giveBack').click();
    await button('claim').waitFor();
  };
  /** Two people at once, and what is too long: nothing that was typed is lost, and nothing is done unseen. */
  const meanwhile = async (language) => {
    const form = page.locator('dialog textarea');
    const submit = page.locator('dialog button[type=submit]');
    const theirs = () => yagura('incidents', 'close', ID.ID, '--verdict', 'TP-malicious', '--reason', 'theirs');
    const verdict = () => listed().find((i) => i.id === ID.ID).verdict;
    await test(`${language} a verdict that another gave meanwhile is told, and replaced only by a second press`, async () => {
      await enter('incident', language);
      await page.keyboard.press('v');
      await page.locator('dialog input[value="BTP"]').check();
      await form.fill('mine');
      theirs();
      await submit.click();
      const told = page.locator('dialog [role=alert]');
      await told.waitFor();
      assert.match(
        await told.textContent(),
        language === 'ja' ? /TP-malicious として完了/ : /closed it meanwhile as TP-malicious/,
      );
      assert.equal(verdict(), 'TP-malicious');
      assert.equal(await form.inputValue(), 'mine');
      await submit.click();
      await page.locator('dialog[open]').waitFor({ state: 'detached' });
      assert.equal(verdict(), 'BTP');
      await toNew(language);
    });
    await test(`${language} a sheet stays when its incident leaves the list, and opens for no other`, async () => {
      await page.goto(`${origin}/t/${tenant}/incidents?state=open&sel=${ID.ID}`);
      const row = page.locator(`[data-id="${ID.ID}"]`);
      await row.waitFor();
      await page.keyboard.press('v');
      await form.fill('mine');
      theirs();
      await row.waitFor({ state: 'detached' });
      assert.equal(await form.inputValue(), 'mine');
      await esc();
      await page.keyboard.press('j');
      await page.locator(selected).first().waitFor();
      assert.equal(await page.locator('dialog[open]').count(), 0, 'a sheet opened by itself');
      await toNew(language);
    });
    await test(`${language} a reason that is too long is told, not cut`, async () => {
      await enter('incident', language);
      await page.keyboard.press('v');
      await page.locator('dialog input[value="BTP"]').check();
      await form.fill('あ'.repeat(2001));
      await submit.click();
      await page.locator('dialog [role=alert]', { hasText: messages[language].tooLong(1, 2000) }).waitFor();
      assert.equal((await form.inputValue()).length, 2001);
      await esc();
    });
    await test(`${language} what was typed is still there after Esc, and no verdict is chosen`, async () => {
      await enter('incident', language);
      for (const key of ['v', 'm']) {
        await page.keyboard.press(key);
        await form.fill(`half a thought ${key}`);
        await esc();
        await page.keyboard.press(key);
        assert.equal(await form.inputValue(), `half a thought ${key}`);
        assert.equal(await page.locator('dialog input:checked').count(), 0);
        await form.fill('');
        await esc();
      }
    });
    await test(`${language} a note is written after a note without a mouse`, async () => {
      await enter('incident', language);
      await page.keyboard.press('m');
      const notes = page.locator('[data-change=note]');
      const before = await notes.count();
      for (const n of [1, 2]) {
        await page.keyboard.type(`<b>${n}</b> \u202e🎉`);
        await page.keyboard.press('Tab');
        await page.keyboard.press('Enter');
        await until('the note is kept', async () => (await notes.count()) === before + n);
        await until('the focus is back', () => page.evaluate(() => document.activeElement?.tagName === 'TEXTAREA'));
      }
      assert.equal(await page.locator('dialog b').count(), 0, 'markup became an element');
      await esc();
    });
    await test(`${language} a refusal for want of a session is in the reader's language`, async () => {
      await enter('incident', language);
      const token = await page.evaluate(() => localStorage.getItem('yagura.session'));
      await page.keyboard.press('v');
      await page.locator('dialog input[value="BTP"]').check();
      await form.fill('mine');
      await page.evaluate(() => localStorage.removeItem('yagura.session'));
      await submit.click();
      const told = page.locator('dialog [role=alert]');
      await told.waitFor();
      const said = await told.textContent();
      const kept = await form.inputValue();
      await page.evaluate((t) => localStorage.setItem('yagura.session', t), token);
      assert.match(said, language === 'ja' ? /サインイン/ : /sign in/);
      assert.equal(kept, 'mine');
      fresh = false;
    });
  };
  /** What a key must not do, and where the way back leads. */
  const ways = async (language) => {
    const t = messages[language];
    const chosen = () => page.locator(selected).first().getAttribute('data-id');
    const inList = () => page.evaluate(() => document.activeElement?.getAttribute('role') === 'grid');
    for (const how of ['Enter', 'a click'])
      await test(`${language} back from an incident opened by ${how}: the list has its row and the focus`, async () => {
        await enter('incidents', language);
        await page.keyboard.press('j');
        const row = how === 'Enter' ? page.locator(selected) : page.locator('[role=row][data-id]').nth(2);
        const id = await row.first().getAttribute('data-id');
        await (how === 'Enter' ? page.keyboard.press('Enter') : row.locator('a').click());
        await page.waitForURL(new RegExp(`/incidents/${id}`));
        await page.locator('[role=treegrid]').waitFor();
        await page.goBack();
        await until(
          'the row is selected',
          async () => (await page.locator(selected).count()) > 0 && (await chosen()) === id,
        );
        await until('the list has the focus', inList);
        await page.goForward();
        await page.waitForURL(new RegExp(`/incidents/${id}`));
      });
    await test(`${language} a process that has ended is not offered to be killed`, async () => {
      await enter('incident', language);
      await page.locator('[role=row][data-kind=process]', { hasText: 'curl' }).nth(1).click();
      await page.locator('aside h2', { hasText: 'curl' }).waitFor();
      await page.getByRole('button', { name: t.isolateHost }).waitFor();
      assert.equal(await page.getByRole('button', { name: t.killProcess }).count(), 0);
      await page.keyboard.press('X');
      assert.equal(await page.locator('dialog[open]').count(), 0);
    });
    await test(`${language} Caps Lock moves the selection all the same and kills nothing`, async () => {
      await enter('incident', language);
      const caps = (key, shiftKey) =>
        page.evaluate(
          ([k, s]) =>
            document.body.dispatchEvent(
              new KeyboardEvent('keydown', { key: k, shiftKey: s, modifierCapsLock: true, bubbles: true }),
            ),
          [key, shiftKey],
        );
      const before = await page.locator(selected).first().getAttribute('data-ref');
      await caps('J', false);
      await until(
        'the selection moved',
        async () => (await page.locator(selected).first().getAttribute('data-ref')) !== before,
      );
      await caps('X', false);
      assert.equal(await page.locator('dialog[open]').count(), 0);
      fresh = false;
    });
  };
  const verdictIds = async (language) => {
    await enter('incident', language);
    await page.keyboard.press('v');
    const ids = await page.locator('dialog input[type=radio]').evaluateAll((l) => l.map((e) => e.value));
    assert.ok(ids.length >= 5, `verdicts: ${ids}`);
    assert.equal(
      await page.locator('dialog input[type=radio]:checked').count(),
      0,
      'a verdict is chosen before anybody chose',
    );
    await esc();
    return ids;
  };
  const settle = () => {
    // The three incidents stand as the states of the table say.
    for (const [k, verb] of [
      ['CLAIMED', 'claim'],
      ['CLOSED', 'close'],
    ]) {
      const i = listed().find((x) => x.id === ID[k]);
      if (verb === 'claim' && i.state !== 'triaging') yagura('incidents', 'claim', ID[k]);
      if (verb === 'close' && i.state !== 'closed')
        yagura('incidents', 'close', ID[k], '--verdict', 'FP-rule-logic', '--reason', 'for the test');
    }
  };
  await test('a link that a mail program has mangled is answered with the form', async () => {
    await page.goto(`${origin}/sign-in#%E0%A4%A`);
    await page.locator('input[name=password]').waitFor();
  });
  await test('en set-up', () => setUp(firstLink, 'en'));
  settle();
  if (values.language !== 'ja') await walk('en');
  const reset = /http:\/\/\S+/.exec(yagura('sign-in'))[0];
  await test('ja reset names whom it replaces', async () => {
    await page.goto(`${origin}/sign-in`);
    await page.evaluate(() => localStorage.setItem('yagura.language', 'ja'));
    await page.goto('about:blank');
    await page.goto(reset);
    await page.getByText(messages.ja.linkKnown).waitFor();
    assert.deepEqual(await english(), [], 'English on a Japanese screen');
    await page.getByRole('button', { name: messages.ja.lostCredentials }).click();
    await page.locator('[role=note]').waitFor();
    assert.ok((await page.locator('[role=note]').textContent()).includes(user.name));
    assert.deepEqual(await english(), [], 'English on a Japanese screen');
  });
  await test('ja set-up by the reset link', () => setUp(reset, 'ja'));
  settle();
  if (values.language !== 'en') await walk('ja');

  if (!values.only && values.language !== 'en')
    await test('a link of a mail that was sent leads a signed-out reader through sign-in to the incident', async () => {
      await until('a mail with a link', () => post.mails.some((m) => /\/incidents\/i-/.test(m)), 30_000);
      const link = /http:\/\/[^\s"<>]+\/incidents\/i-[0-9a-f-]+/.exec(
        post.mails.find((m) => /\/incidents\/i-/.test(m)),
      )[0];
      await page.goto(link);
      await page.waitForURL(/\/sign-in/);
      await page.locator('input[name=name]').fill(user.name);
      await page.locator('input[name=password]').fill(user.password);
      await page.locator('input[name=code]').fill(totp(secret, Date.now() + 30_000)); // each code opens once
      await page.locator('button[type=submit]').click();
      await page.waitForURL(/\/t\/[^/]+\/incidents\/i-/);
      await page.locator('[role=treegrid] [role=row][data-ref]').first().waitFor();
      await page.goto(link); // and one who is signed in
      await page.waitForURL(/\/t\/[^/]+\/incidents\/i-/);
      await page.goto(`${origin}/incidents/i-01900000-0000-7000-8000-000000000000`);
      await page.getByText(messages.ja.noSuchIncident).waitFor();
      await page.goto(`${origin}/hosts/${host}`);
      await page.locator('aside h2', { hasText: 'persistence-cron' }).waitFor();
      await page.goto(`${origin}/hosts/h-01900000-0000-7000-8000-000000000000`);
      await page.getByText(messages.ja.noSuchHost).waitFor();
      await page.goto(`${origin}/t/another/incidents`);
      await page.getByText(messages.ja.notFoundTitle).waitFor();
    });
  await test('nothing failed unseen: no policy violation, no console error, no dialog, no answer of 500', () => {
    assert.deepEqual(
      faults.filter((f) => !/401|unauthenticated/i.test(f)),
      [],
    );
  });
  await context.close();
} catch (error) {
  failures.push('the run itself');
  console.log(`FAIL  ${error.stack ?? error}\n${complaints.slice(-2000)}`);
} finally {
  await browser?.close();
  server.kill();
  post.close();
  rmSync(data, { recursive: true, force: true, maxRetries: 50, retryDelay: 100 }); // the server that was told to end may still write
}
console.log(
  `${values.language ?? 'both languages'}: ${passed} passed, ${failures.length} failed in ${Math.round((Date.now() - begin) / 1000)} s`,
);
process.exit(failures.length === 0 ? 0 : 1);
