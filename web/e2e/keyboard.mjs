// A night's work without a mouse: node e2e/keyboard.mjs --bin ../bin/yagura. Only keys are pressed, the focus is looked at
// after each, and the server goes away and comes back while somebody works. It starts a server of its own without a sensor.
import { strict as assert } from 'node:assert';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { launch, newPage, totp, user } from './session.mjs';

const { values } = parseArgs({ options: { bin: { type: 'string' }, shots: { type: 'string' } } });
const root = join(import.meta.dirname, '../..');
const bin = values.bin ?? join(root, 'bin/yagura');
const begin = Date.now();
const data = mkdtempSync(join(tmpdir(), 'yagura-keyboard-'));
const ready = join(data, 'ready.json');
const env = { ...process.env, LC_ALL: 'C.UTF-8' };

let passed = 0;
const failures = [];
async function test(name, body) {
  try {
    await body();
    passed += 1;
  } catch (error) {
    failures.push(name);
    console.log(`FAIL  ${name}\n      ${String(error.message ?? error).replaceAll('\n', '\n      ')}`);
    if (values.shots) await page?.screenshot({ path: join(values.shots, `keyboard-${failures.length}.png`) });
  }
}
const pause = (ms) => new Promise((go) => setTimeout(go, ms));
const until = async (what, ok, ms = 15_000) => {
  for (const end = Date.now() + ms; ; ) {
    if (await ok()) return;
    if (Date.now() > end) throw new Error(`not within ${ms / 1000} s: ${what}`);
    await pause(50);
  }
};
const read = () => {
  try {
    return JSON.parse(readFileSync(ready, 'utf8'));
  } catch {
    return undefined;
  }
};
let server;
const start = async (port = 0) => {
  rmSync(ready, { force: true });
  server = spawn(
    bin,
    `server --data ${join(data, 's')} --listen 127.0.0.1:${port} --sensor-listen 127.0.0.1:0 --ready-file ${ready}`.split(
      ' ',
    ),
    { stdio: 'ignore', env },
  );
  await until('the server is up', () => read()?.url, 30_000);
};
const stop = async (signal) => {
  const gone = new Promise((done) => server.on('exit', done));
  server.kill(signal);
  await gone;
};
const yagura = (...args) => execFileSync(bin, ['--data', join(data, 's'), ...args], { encoding: 'utf8', env });
const listed = () => JSON.parse(yagura('incidents', '--json')) ?? [];

// The line between the browser and the server, which can be cut while both stand.
let cut = false;
const sockets = new Set();
const line = createServer((q, a) => {
  const to = request(q.url, { method: q.method, headers: q.headers }, (r) => {
    a.writeHead(r.statusCode, r.headers);
    a.flushHeaders();
    r.on('error', () => a.destroy());
    r.on('close', () => r.complete || a.destroy());
    r.pipe(a);
  });
  to.on('error', () => a.destroy());
  a.on('close', () => to.destroy());
  q.pipe(to);
});
line.on('connection', (s) => {
  if (cut) return s.destroy();
  sockets.add(s);
  s.on('close', () => sockets.delete(s));
});
const sever = () => {
  cut = true;
  for (const s of sockets) s.destroy();
};
await new Promise((done) => line.listen(0, '127.0.0.1', done));

let browser;
let page;
try {
  await start();
  const { url: origin, sign_in: link } = read();
  const port = new URL(origin).port;
  const feed = (story, as = story) => {
    const file = join(data, `${story}.ndjson`);
    const whole = readFileSync(join(root, `scenario/testdata/${story}.txtar`), 'utf8');
    writeFileSync(file, whole.split('-- events.ndjson --\n')[1].split(/^-- /m)[0].replace(/^\S+ /gm, ''));
    yagura('replay', '--now', '--host', as, file);
  };
  for (const story of [
    'web-shell',
    'persistence-cron',
    'web-shell-entry-not-seen',
    'reverse-shell-to-inside',
    'lateral-by-ssh',
  ])
    feed(story);
  await until('incidents', () => listed().length >= 6, 30_000);

  browser = await launch();
  const opened = await newPage(browser, {
    viewport: { width: 1440, height: 900 },
    proxy: { server: `http://127.0.0.1:${line.address().port}` },
  });
  page = opened.page;
  page.setDefaultTimeout(10_000);
  await opened.context.grantPermissions(['clipboard-read', 'clipboard-write']);
  const press = async (...keys) => {
    for (const k of keys) {
      await page.keyboard.press(k);
      await pause(30);
    }
  };
  /** Somebody who looks sees where the next key goes. */
  const seen = () =>
    page.evaluate(() => {
      const e = document.activeElement;
      const s = getComputedStyle(e);
      return e !== document.body && s.outlineStyle !== 'none' && e.checkVisibility();
    });
  const held = (what) => until(`the focus is seen: ${what}`, seen, 4000);
  const on = (css) => page.evaluate((c) => document.activeElement?.closest(c) !== null, css);
  const focused = (css) => until(`the focus is on ${css}`, () => on(css), 4000);
  /** Tab until the control with that name has the focus. */
  const tabTo = async (name, back = false) => {
    for (let n = 0; n < 120; n++) {
      await page.keyboard.press(back ? 'Shift+Tab' : 'Tab');
      const here = await page.evaluate(() => {
        const e = document.activeElement;
        return (
          e?.getAttribute('aria-label') ??
          [...(e?.childNodes ?? [])]
            .map((c) => (c.nodeName === 'KBD' ? '' : c.textContent))
            .join('')
            .trim()
        );
      });
      if (here === name) return;
    }
    throw new Error(`Tab never comes to ${name}`);
  };
  const rows = () => page.locator('#main [role=row][data-id]').evaluateAll((l) => l.map((e) => e.dataset.id));
  const chosen = () =>
    page.evaluate(() => document.querySelector('#main [role=row][data-id][aria-selected=true]')?.dataset.id);

  // Each code opens once: the codes of this step and of the next are two sign-ins, the third waits.
  let secret = '';
  let step = 0;
  const code = async () => {
    step = Math.max(step + 1, Math.floor(Date.now() / 30_000));
    while (step > Math.floor(Date.now() / 30_000) + 1) await pause(200);
    return totp(secret, step * 30_000);
  };
  const signIn = async () => {
    await page.waitForURL(/\/sign-in/, { timeout: 30_000 });
    await focused('input[name=name]');
    await page.keyboard.type(user.name);
    await press('Tab');
    await page.keyboard.type(user.password);
    await press('Tab');
    await page.keyboard.type(await code());
    await press('Enter');
  };

  await test('the first user is made; a mistake leaves the focus on the button that was pressed', async () => {
    await page.goto(link);
    await page.locator('[data-totp-secret]').waitFor();
    secret = (await page.locator('[data-totp-secret]').textContent()).trim();
    await focused('input[name=name]');
    await page.keyboard.type(user.name);
    await press('Tab');
    await page.keyboard.type(user.password);
    await press('Tab', 'Tab');
    await page.keyboard.type('000000');
    await press('Tab', 'Enter');
    await until('the mistake is told', async () => (await page.locator('[role=alert]').textContent()) !== '');
    await pause(200);
    assert.ok(await on('button[type=submit]'), 'the focus left the button');
    await press('Shift+Tab', 'Control+A');
    await page.keyboard.type(await code());
    await press('Enter');
    await page.waitForURL(/\/home$/);
  });
  await test('every page opens with the focus seen, from Home and from a list', async () => {
    for (const k of 'qoiohoeoroasoiho') {
      await press('g', k);
      await page.locator('[data-live=live]').waitFor();
      await held(`g ${k}`);
    }
  });
  await test('Home is read to its end by the keys that scroll', async () => {
    await page.setViewportSize({ width: 1440, height: 420 });
    await press('g', 'h', 'g', 'o');
    await page.locator('#main [data-known]').first().waitFor();
    await held('home');
    await press('End');
    await until('the page has scrolled', () =>
      page.evaluate(() => document.querySelector('#main [data-pane]').scrollTop > 20),
    );
    await page.setViewportSize({ width: 1440, height: 900 });
  });
  await test('] and [ go round all panes and never into a field', async () => {
    for (const k of 'qheias') {
      await press('g', k);
      await held(`g ${k}`);
      for (const step of [']', ']', ']', '[', '[']) {
        await press(step);
        assert.equal(await on('input, textarea, select'), false, `${step} on ${page.url()} leads into a field`);
        await held(`${step} on ${page.url()}`);
      }
    }
    await press('g', 'h');
    await page.locator('#main [role=row][data-id]').first().waitFor();
    await press('j', ']');
    await focused('aside');
    await press('[');
    await focused('[role=grid]');
  });
  await test('a queue is walked: what was closed leaves it, and J goes on from there', async () => {
    await page.goto(`${origin}/t/main/incidents?state=open`);
    await until('the list', async () => (await rows()).length >= 6);
    await focused('[role=grid]');
    const before = await rows();
    await press('j', 'j', 'j', 'v');
    await page.locator('dialog[open]').waitFor();
    await press('Space', 'Tab');
    await page.keyboard.type('jkcvm? walked');
    await tabTo('Close with verdict');
    await press('Enter');
    await page.locator('dialog[open]').waitFor({ state: 'detached' });
    await until('it left the list', async () => !(await rows()).includes(before[2]));
    await held('closed');
    await press('j');
    await until('a row is chosen', async () => (await chosen()) !== undefined);
    assert.equal(await chosen(), before[3]);
    await press('k');
    await until('the row above', async () => (await chosen()) === before[1]);
  });
  await test('buttons that leave when they are pressed leave the focus in sight', async () => {
    await press('Enter');
    await page.locator('[role=treegrid] [role=row][data-ref]').first().waitFor();
    await focused('[role=treegrid]');
    await tabTo('Claim', true);
    await press('Enter');
    await page.getByRole('button', { name: 'Give back' }).waitFor();
    await held('claimed');
    await tabTo('Give back', true);
    await press('Enter');
    await page.getByRole('button', { name: 'Claim' }).waitFor();
    await held('given back');
    await page.locator('[role=treegrid]').focus();
    await press('t');
    await page.locator('[data-drawer] [role=row][data-id]').first().waitFor();
    await press(']');
    await focused('[data-drawer] [role=grid]');
    await press('j', 'Escape', 'Escape');
    await page.locator('[data-drawer]').waitFor({ state: 'detached' });
    await focused('[role=treegrid]');
    for (const k of ['i', 'v', 'm', '?']) {
      await press(k);
      await page.locator('dialog[open]').waitFor();
      await held(k);
      await press('Escape');
      await page.locator('dialog[open]').waitFor({ state: 'detached' });
      await focused('[role=treegrid]');
    }
  });
  await test('a read that fails is said with its age, and goes on by itself', async () => {
    await press('g', 'h');
    await page.locator('#main [role=row][data-id]').first().waitFor();
    await page.route('**/ListHosts', (r) => r.abort());
    feed('web-shell', 'one-more'); // a change: the list is read again
    await page.locator('[data-stale]').waitFor({ timeout: 20_000 });
    assert.match(await page.locator('[data-stale]').textContent(), /shown as of \d\d:\d\d/);
    await page.unroute('**/ListHosts');
    await page.locator('[data-stale]').waitFor({ state: 'detached', timeout: 12_000 });
    await until(
      'the new host',
      async () => (await page.locator('#main [role=row][data-id]', { hasText: 'one-more' }).count()) > 0,
    );
  });
  await test('events are followed again after the line was down, and what stood there stays', async () => {
    await press('g', 'e');
    await until('events', async () => (await rows()).length > 10);
    sever();
    await page.locator('#main [role=alert]').waitFor({ timeout: 20_000 });
    assert.ok((await rows()).length > 10, 'the events that were read are gone');
    cut = false;
    await page.locator('#main [role=alert]').waitFor({ state: 'detached', timeout: 20_000 });
    feed('persistence-cron', 'after-the-line');
    await until(
      'a new event',
      async () => (await page.locator('#main [role=row][data-id]', { hasText: 'after-the-line' }).count()) > 0,
    );
  });
  for (const signal of ['SIGTERM', 'SIGKILL'])
    await test(`after ${signal} of the server sign-in leads back to the place, and what was typed is there`, async () => {
      await press('g', 'i');
      await until('the list', async () => (await rows()).length >= 5);
      await press('j', 'Enter');
      await page.locator('[role=treegrid] [role=row][data-ref]').first().waitFor();
      await press('j', 'j', 'm');
      await page.locator('dialog[open] textarea').waitFor();
      await page.keyboard.type('half a thought');
      const place = page.url();
      await stop(signal);
      await page.locator('[role=alert]', { hasText: 'Connection lost' }).waitFor({ timeout: 20_000 });
      assert.equal(await page.locator('dialog[open] textarea').inputValue(), 'half a thought');
      await start(port);
      await signIn();
      await page.waitForURL(place);
      await page.locator('[role=treegrid] [role=row][data-ref]').first().waitFor();
      await held('signed in again');
      await press('m');
      await page.locator('dialog[open] textarea').waitFor();
      assert.equal(await page.locator('dialog[open] textarea').inputValue(), 'half a thought');
      await press('Control+A', 'Delete', 'Escape');
    });
  await test('a page that was never open says that the server is gone, and comes when it is back', async () => {
    // A browser that has loaded Home only, with the session of the first.
    const second = await newPage(browser, { storageState: await opened.context.storageState() });
    const other = second.page;
    await other.goto(`${origin}/t/main/home`);
    await other.locator('[data-live=live]').waitFor();
    await stop('SIGKILL');
    await other.keyboard.press('g');
    await other.keyboard.press('r');
    await other
      .getByText(/cannot be reached|Connection lost/)
      .first()
      .waitFor();
    await pause(2000);
    if (values.shots) await other.screenshot({ path: join(values.shots, 'never-open.png') });
    assert.ok(other.url().startsWith(origin), other.url());
    assert.equal(await other.getByText(/Something went wrong/).count(), 0);
    await start(port);
    await other.waitForURL(/\/sign-in/, { timeout: 30_000 });
    assert.match(new URL(other.url()).search, /rules/);
    await second.context.close();
  });
  await test('nothing failed unseen', () => {
    assert.deepEqual(
      opened.faults.filter((f) => !/401|unauthenticated|Failed to fetch/i.test(f)),
      [],
    );
  });
} catch (error) {
  failures.push('the run itself');
  console.log(`FAIL  ${error.stack ?? error}`);
} finally {
  await browser?.close();
  server?.kill();
  line.close();
  rmSync(data, { recursive: true, force: true, maxRetries: 50, retryDelay: 100 }); // the server that was told to end may still write
}
console.log(`${passed} passed, ${failures.length} failed in ${Math.round((Date.now() - begin) / 1000)} s`);
process.exit(failures.length === 0 ? 0 : 1);
