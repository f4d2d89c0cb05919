// The console's end-to-end test against a running server: node e2e/run.mjs --url URL --sign-in LINK [--incident ID …].
// The server must have seen an attack; without --incident every listed incident is looked at, and at least one must be
// there. Ends with "N passed, M failed"; exits 1 when M > 0. One browser, no certificate exception, on http://localhost.
import { strict as assert } from 'node:assert';
import { spawn } from 'node:child_process';
import { parseArgs } from 'node:util';
import { launch, newPage, setUp, totp, user, violations } from './session.mjs';

const { values } = parseArgs({
  options: {
    url: { type: 'string' },
    'sign-in': { type: 'string' },
    incident: { type: 'string', multiple: true, default: [] },
    steps: { type: 'string', multiple: true, default: [] },
    attack: { type: 'string' }, // a command; the page must show its incident without being touched
    data: { type: 'string' }, // taken for scripts that pass the contract's three; not needed here
    shots: { type: 'string' },
  },
});
const link = values['sign-in'];
const origin = (values.url ?? new URL(link).origin).replace(/\/$/, '');

let passed = 0;
let failed = 0;
async function test(name, body) {
  const begin = Date.now();
  try {
    await body();
    passed += 1;
    console.log(`ok    ${name} (${Date.now() - begin} ms)`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL  ${name}\n      ${String(error.message ?? error).replaceAll('\n', '\n      ')}`);
  }
}

const browser = await launch();
const { context, page, faults } = await newPage(browser);
page.setDefaultTimeout(10_000);
await context.addInitScript(() => {
  document.addEventListener('securitypolicyviolation', (e) =>
    console.error(`policy violation: ${e.violatedDirective} ${e.blockedURI}`),
  );
});

let secret = '';
let tenant = '';
const at = (path) => `${origin}/t/${tenant}/${path}`;

async function prefer(language, theme) {
  await page.evaluate(
    ([l, t]) => {
      localStorage.setItem('yagura.language', l);
      localStorage.setItem('yagura.theme', t);
    },
    [language, theme],
  );
}
const ready = () => page.locator('main h1').first().waitFor({ state: 'attached' });

await test('sign-in: the one-time link leads to set-up, then Home', async () => {
  await page.goto(`${origin}/`);
  await page.waitForURL(/\/sign-in/);
  secret = await setUp(page, link);
  tenant = new URL(page.url()).pathname.split('/')[2];
  // A cookie would go to every port of this host.
  assert.deepEqual(await context.cookies(), []);
});

await test('sign-in: the link cannot be used again, and a wrong password opens nothing', async () => {
  const other = await newPage(browser);
  other.page.setDefaultTimeout(10_000);
  await other.page.goto(link);
  await other.page.getByText('Set-up is done').waitFor();
  assert.equal(await other.page.locator('[data-totp-secret]').count(), 0, 'the set-up form is shown again');
  await other.page.locator('input[name=name]').fill(user.name);
  await other.page.locator('input[name=password]').fill('not the password');
  await other.page.locator('input[name=code]').fill('000000');
  await other.page.getByRole('button', { name: 'Sign in' }).click();
  await other.page.getByText('Name, password or code is wrong.', { exact: false }).waitFor();
  await other.page.goto(at('home'));
  await other.page.waitForURL(/\/sign-in/);
  await other.context.close();
});

await test('home: health, coverage and incidents are drawn, live', async () => {
  await page.goto(at('home'));
  await page.locator('[data-live=live]').waitFor();
  await page.getByRole('region', { name: 'Coverage' }).waitFor();
  await page.getByRole('region', { name: 'Silent failures' }).waitFor();
  const unknown = await page.locator('[data-known=false]').allTextContents();
  for (const text of unknown) assert.ok(!/^\D*0$/.test(text.trim()), `"not known" is drawn as zero: ${text}`);
});

if (values.attack) {
  await test('live: an attack shows on the open page by itself', async () => {
    await page.goto(at('incidents'));
    await page.locator('[data-live=live]').waitFor();
    await page.locator('[role=row][data-id], [data-empty]').first().waitFor();
    await page.mouse.move(4, 400); // the pointer rests beside the list, not on it
    const ids = () => page.locator('[role=row][data-id]').evaluateAll((rows) => rows.map((r) => r.dataset.id));
    const before = new Set(await ids());
    const run = spawn('bash', ['-c', values.attack], { stdio: 'ignore' });
    const ended = new Promise((done) => run.on('exit', () => done(Date.now())));
    let seen = 0;
    for (const begin = Date.now(); seen === 0 && Date.now() - begin < 90_000; ) {
      if ((await ids()).some((id) => !before.has(id))) seen = Date.now();
      else await page.waitForTimeout(50);
    }
    const end = await ended;
    assert.ok(seen > 0, 'no new incident showed in 90 s');
    console.log(`      shown ${seen - end} ms after the last step of the attack (negative: before)`);
    assert.ok(seen - end < 2000, `shown ${seen - end} ms after the last step`);
  });
}

if (values.attack) {
  await test('live: what comes while somebody reads waits behind a button and moves nothing', async () => {
    await page.goto(at('detections'));
    await page.locator('[data-live=live]').waitFor();
    const rows = page.locator('[role=row][data-id]');
    await rows.first().click();
    const top = await rows.first().getAttribute('data-id');
    const run = spawn('bash', ['-c', values.attack], { stdio: 'ignore' });
    const ended = new Promise((done) => run.on('exit', done));
    const button = page.locator('header button', { hasText: /new items?: show/ });
    await button.waitFor({ timeout: 90_000 });
    assert.equal(await rows.first().getAttribute('data-id'), top, 'the list moved under the reader');
    await page.keyboard.press('n');
    await button.waitFor({ state: 'detached' });
    assert.notEqual(await rows.first().getAttribute('data-id'), top, 'the new item is not shown');
    await ended;
  });

  await test('hostile: a program started with markup, escapes, direction marks and broken bytes is shown as such', async () => {
    await page.goto(at('events?kind=process.exec'));
    await page.locator('[data-live=live]').waitFor();
    // A harmless program; only its arguments are odd. EUC-JP and CP932 bytes, RTL override, escape codes, HTML.
    const odd =
      "exec /bin/true $'\\u202egpj.exe' $'<img src=x onerror=alert(1)>' $'\\x1b[31m\\xc6\\xfc\\x93\\xfa\\xff'";
    const cell = page.locator('[role=gridcell]', { hasText: '⟦U+202E⟧gpj.exe' }).first();
    for (let i = 0; i < 20 && (await cell.count()) === 0; i += 1) {
      spawn('bash', ['-c', odd], { stdio: 'ignore', env: { ...process.env, LC_ALL: 'C.UTF-8' } });
      await page.waitForTimeout(500);
    }
    const text = await cell.textContent();
    assert.ok(text.includes('<img src=x onerror=alert(1)>'), `markup is not shown as text: ${text}`);
    assert.ok(text.includes('\\x1b[31m') && text.includes('\\xff'), `escapes are not shown: ${text}`);
    assert.equal(await page.locator('main img').count(), 0, 'markup became an element');
  });
}

// The incidents to look at.
await page.goto(at('incidents'));
await page.locator('[role=row][data-id], [data-empty]').first().waitFor();
let incidents = values.incident;
if (incidents.length === 0)
  incidents = await page.locator('[role=row][data-id]').evaluateAll((rows) => rows.map((r) => r.dataset.id));
await test('incidents: the list has what was attacked', async () =>
  assert.ok(incidents.length > 0, 'no incident is listed'));

const expectWords = {
  en: { story: 'Story', answers: ['When', 'Where', 'What', 'Why', 'Who'] },
  ja: { story: '攻撃ストーリー', answers: ['いつ', 'どこで', '何が', 'なぜ', '誰が（攻撃者）'] },
};
for (const language of ['en', 'ja']) {
  for (const id of incidents.slice(0, 6)) {
    await test(`incident ${id} in ${language}: five answers, story, details, events behind each sentence`, async () => {
      await prefer(language, 'dark');
      await page.goto(at(`incidents/${id}`));
      await page.getByRole('treegrid', { name: expectWords[language].story }).waitFor();
      assert.equal(await page.locator('html').getAttribute('lang'), language);
      for (const a of expectWords[language].answers)
        await page.getByRole('heading', { name: a, exact: true }).waitFor();
      const rows = page.locator('[role=treegrid] [role=row][data-ref]');
      assert.ok((await rows.count()) >= (values.incident.length > 0 ? 5 : 1), 'the story lacks rows');
      if (language === 'ja') {
        const body = await page.locator('[data-answer=why]').textContent();
        assert.match(body, /[぀-ヿ一-鿿]/, `the answer is not in Japanese: ${body}`);
      }
      await page.locator('[role=row][data-kind=process]').last().click();
      await page.getByRole('complementary').getByRole('heading', { level: 2 }).waitFor();
      assert.match(page.url(), /sel=/, 'the selection is not in the address');
      // Every sentence that cites events opens them.
      const sentences = page.locator('[data-answer] button[aria-pressed]');
      const count = await sentences.count();
      assert.ok(count > 0, 'no sentence cites an event');
      for (let i = 0; i < Math.min(count, 4); i += 1) {
        await sentences.nth(i).click();
        await page.locator('[data-drawer] [role=row][data-id], [data-drawer] [data-empty]').first().waitFor();
        assert.ok(
          (await page.locator('[data-drawer] [role=row][data-id]').count()) > 0,
          `sentence ${i} shows no event`,
        );
        await page.keyboard.press('Escape');
        await page.locator('[data-drawer]').waitFor({ state: 'detached' });
      }
      // A shared link opens the same screen.
      const shared = page.url();
      await page.goto(shared);
      await page.locator('[role=row][aria-selected=true]').waitFor();
    });
  }
}

if (values.steps.length > 0) {
  await test('incident: every step of the attack has its row with its command line', async () => {
    await prefer('en', 'dark');
    const missing = [];
    for (const step of values.steps) {
      let found = false;
      for (const id of incidents) {
        await page.goto(at(`incidents/${id}`));
        await page.locator('[role=treegrid]').waitFor();
        if (((await page.locator('[role=treegrid]').textContent()) ?? '').includes(step)) found = true;
        if (found) break;
      }
      if (!found) missing.push(step);
    }
    assert.deepEqual(missing, []);
  });
}

await test('keyboard: help, go to, J and K, Enter to the incident, arrows in the story, without a mouse', async () => {
  await prefer('en', 'dark');
  await page.goto(at('home'));
  await ready();
  await page.keyboard.press('?');
  await page.getByRole('dialog', { name: 'Keyboard' }).waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await page.keyboard.press('g');
  await page.keyboard.press('q');
  await page.waitForURL(/\/detections/);
  await page.locator('[role=grid] [role=row][data-id]').first().waitFor();
  await page.keyboard.press('j');
  await page.keyboard.press('j');
  const second = await page.locator('[role=row][aria-selected=true]').getAttribute('data-id');
  await page.keyboard.press('k');
  const first = await page.locator('[role=row][aria-selected=true]').getAttribute('data-id');
  assert.notEqual(first, second);
  assert.equal(
    await page.evaluate(() => document.activeElement?.getAttribute('role')),
    'grid',
    'J and K do not bring the focus to the list',
  );
  // What else happens on this machine may stand above the attack and belong to no incident.
  const inIncident = page.locator('aside a[href*="/incidents/i-"]');
  for (let i = 0; i < 40 && (await inIncident.count()) === 0; i++) {
    await page.keyboard.press('j');
    await page.waitForTimeout(100);
  }
  await page.keyboard.press('Enter');
  await page.waitForURL(/\/incidents\//);
  await page.locator('[role=treegrid]').waitFor();
  await page.locator('[role=treegrid]').focus();
  await page.keyboard.press('Home');
  const row = () => page.locator('[role=treegrid] [aria-selected=true]');
  await row().waitFor();
  const open = await row().getAttribute('aria-expanded');
  if (open === 'true') {
    await page.keyboard.press('ArrowLeft');
    assert.equal(await row().getAttribute('aria-expanded'), 'false');
    await page.keyboard.press('ArrowRight');
    assert.equal(await row().getAttribute('aria-expanded'), 'true');
  }
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('d');
  await page.keyboard.press('i');
  await page.getByRole('dialog', { name: 'Isolate host' }).waitFor();
  assert.match(await page.locator('[data-cli]').first().textContent(), /^yagura --data DIR respond isolate h-/);
  await page.keyboard.press('Escape');
});

await test('keyboard: letters typed into a field or composed by an IME move nothing', async () => {
  await page.goto(at('detections'));
  await page.locator('[data-filter]').waitFor();
  await page.keyboard.press('/');
  await page.keyboard.type('gq?j');
  assert.equal(await page.locator('[data-filter]').inputValue(), 'gq?j');
  assert.equal(await page.getByRole('dialog').count(), 0);
  await page.locator('[data-empty=filter]').waitFor();
  await page.getByRole('button', { name: 'Clear filter' }).click();
  await page.locator('[role=row][data-id]').first().waitFor();
});

await test('the health mark is not good while the server is not heard', async () => {
  await page.goto(at('hosts'));
  const mark = page.locator('[data-health]');
  await page.locator('[data-health=good], [data-health=bad]').waitFor();
  const before = await mark.getAttribute('data-health');
  await page.route('**/GetHome', (r) => r.abort());
  if (before === 'good') await page.locator('[data-health=unknown]').waitFor({ timeout: 30_000 });
  await page.locator('[data-stale]').waitFor({ timeout: 30_000 });
  await page.unroute('**/GetHome');
  await page.locator('[data-stale]').waitFor({ state: 'detached', timeout: 30_000 });
  await page.locator(`[data-health=${before}]`).waitFor();
  assert.equal(before, 'good', 'the mark was not good to begin with');
});

await test('hostile strings: nothing from a host becomes markup, script or direction', async () => {
  await page.goto(at('detections'));
  await page.locator('[role=row][data-id]').first().waitFor();
  const raw = await page.locator('bdi.raw').allTextContents();
  for (const text of raw) {
    assert.ok(
      // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what must not be there
      !/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\u{10fe80}-\u{10feff}]/u.test(text),
      `a control reached the page: ${JSON.stringify(text)}`,
    );
  }
  assert.equal(await page.locator('bdi.raw *').count(), 0, 'a host-made string holds elements');
});

await test('glyphs: kanji are real, not boxes', async () => {
  await prefer('ja', 'light');
  await page.goto(at('home'));
  await ready();
  const drawn = await page.evaluate(async () => {
    await document.fonts.ready;
    const family = getComputedStyle(document.body).fontFamily;
    const pixels = (ch) => {
      const c = document.createElement('canvas');
      c.width = 48;
      c.height = 48;
      const g = c.getContext('2d');
      g.font = `36px ${family}`;
      g.textBaseline = 'top';
      g.fillText(ch, 4, 4);
      return g.getImageData(0, 0, 48, 48).data.join(',');
    };
    const ink = (s) => s.split(',').filter((v) => v !== '0').length;
    return {
      lang: document.documentElement.lang,
      same: pixels('検') === pixels('侵'),
      box: pixels('\u{10FFFD}') === pixels('検') || pixels('\u{10FFFD}') === pixels('侵'),
      ink: Math.min(ink(pixels('検')), ink(pixels('侵'))),
    };
  });
  assert.equal(drawn.lang, 'ja');
  assert.ok(!drawn.same, 'two kanji have the same pixels');
  assert.ok(!drawn.box, 'a kanji is drawn as the box of a missing glyph');
  assert.ok(drawn.ink > 100, 'a kanji draws nothing');
});

const routes = ['home', 'detections', 'incidents', `incidents/${incidents[0]}`, 'hosts', 'events', 'rules', 'response'];
for (const language of ['en', 'ja']) {
  for (const theme of language === 'en' ? ['dark', 'light'] : ['dark']) {
    await test(`axe: no violation on any screen (${language}, ${theme})`, async () => {
      const found = [];
      await prefer(language, theme);
      for (const route of routes) {
        await page.goto(at(route));
        await ready();
        await page.waitForTimeout(400);
        const row = page.locator('[role=row][data-id], [role=row][data-ref]').first();
        if ((await row.count()) > 0) {
          const list = page.locator('[role=grid], [role=treegrid]').first();
          if ((await list.count()) > 0) await list.hover(); // a live list stands still under the pointer
          if (route === 'incidents')
            await page.keyboard.press('j'); // a click opens it
          else await row.click();
        }
        await page.waitForTimeout(150);
        for (const v of await violations(page)) found.push(`${route}: ${v}`);
        if (values.shots)
          await page.screenshot({
            path: `${values.shots}/${route.replace(/\W+/g, '-').slice(0, 24)}-${language}-${theme}.png`,
          });
      }
      assert.deepEqual(found, []);
    });
  }
}

await test('sign-out ends the session; name, password and a fresh code open the next', async () => {
  await prefer('en', 'dark');
  await page.goto(at('home'));
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.waitForURL(/\/sign-in/);
  await page.goto(at('hosts'));
  await page.waitForURL(/\/sign-in/);
  await page.locator('input[name=name]').fill(user.name);
  await page.locator('input[name=password]').fill(user.password);
  // Each code opens once: the set-up used this step's, so the next step's is sent, which the server takes early.
  await page.locator('input[name=code]').fill(totp(secret, Date.now() + 30_000));
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.waitForURL(/\/hosts/);
});

await test('nothing failed unseen: no policy violation, no error, no dialog', async () => {
  // Refused calls are what the sign-in tests provoke.
  assert.deepEqual(
    faults.filter((f) => !/401|unauthenticated/i.test(f)),
    [],
  );
});

await context.close();
await browser.close();
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
