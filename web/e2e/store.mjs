// The Store screen on a data folder that is not whole: node e2e/store.mjs --bin ../bin/yagura [--shots DIR]. It starts a
// server of its own without a sensor, takes a segment away, leaves a file that nobody names, and puts a record and a
// damaged one into quarantine: Home leads to the page, the page names hosts and hours, a retry says what came of it.
import { strict as assert } from 'node:assert';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { fail, test, until, verdict } from './check.mjs';
import { detain, kept } from './detain.mjs';
import { launch, newPage, setUp, violations } from './session.mjs';

const { values } = parseArgs({ options: { bin: { type: 'string' }, shots: { type: 'string' } } });
const root = join(import.meta.dirname, '../..');
const bin = values.bin ?? join(root, 'bin/yagura');
const top = mkdtempSync(join(tmpdir(), 'yagura-store-'));
const data = join(top, 'server');
const env = { ...process.env, LC_ALL: 'C.UTF-8' };
let server;
async function start(seal) {
  const ready = join(top, `ready-${Date.now()}.json`);
  server = spawn(
    bin,
    [
      'server',
      ...['--data', data, '--listen', '127.0.0.1:0', '--sensor-listen', '127.0.0.1:0'],
      ...['--ready-file', ready, '--seal-interval', seal],
    ],
    { stdio: 'ignore', env },
  );
  const read = () => {
    try {
      return JSON.parse(readFileSync(ready, 'utf8'));
    } catch {
      return undefined;
    }
  };
  return until('the server is up', read, 60_000);
}
async function stop() {
  const gone = new Promise((done) => server.on('exit', done));
  server.kill();
  await gone;
}
const yagura = (...args) =>
  execFileSync(bin, ['--data', data, ...args], { encoding: 'utf8', env, stdio: ['ignore', 'pipe', 'ignore'] });
const store = () => {
  try {
    return JSON.parse(yagura('store', '--json'));
  } catch (error) {
    return JSON.parse(error.stdout); // 3: something cannot be read
  }
};

let browser;
try {
  await start('1h');
  const story = readFileSync(join(root, 'scenario/testdata/web-shell.txtar'), 'utf8');
  const file = join(top, 'web-shell.ndjson');
  writeFileSync(file, story.split('-- events.ndjson --\n')[1].split(/^-- /m)[0].replace(/^\S+ /gm, ''));
  yagura('replay', '--now', '--host', 'web-shell', file);
  detain(data);
  await stop();
  await start('1s');
  await until('the events are sealed', () => Number(store().segments ?? 0) > 0);
  await stop();

  const segments = () =>
    readdirSync(join(data, 'segments'), { recursive: true }).filter(
      (f) => f.endsWith('.parquet') && !f.startsWith('.'),
    );
  const [lost] = segments();
  renameSync(join(data, 'segments', lost), join(top, 'lost.parquet'));
  writeFileSync(join(data, 'segments', 'stranger.parquet'), 'no segment of ours');
  const { sign_in: link, url: origin } = await start('1s');
  await until('the file that nobody names is judged', () => store().files?.some((f) => f.state === 'kept'));

  browser = await launch();
  const { context, page, faults } = await newPage(browser, { viewport: { width: 1280, height: 800 } });
  page.setDefaultTimeout(15_000);
  await setUp(page, link);
  const tenant = new URL(page.url()).pathname.split('/')[2];
  const see = async (language, theme = 'dark', path = 'store') => {
    await page.evaluate(
      ([l, th]) => {
        localStorage.setItem('yagura.language', l);
        localStorage.setItem('yagura.theme', th);
      },
      [language, theme],
    );
    await page.goto(`${origin}/t/${tenant}/${path}`);
    await page
      .locator(path === 'store' ? '[data-detained]' : '[data-failure]')
      .first()
      .waitFor();
  };
  const shot = async (name) => {
    if (values.shots) await page.screenshot({ path: join(values.shots, `${name}.png`) });
  };

  await test('each fault of the store on Home leads to the page', async () => {
    await see('en', 'dark', 'home');
    const more = page.locator('#main section button[aria-expanded=false]');
    if (await more.count()) await more.first().click();
    const links = page.locator('[data-failure] a[href$="/store"]');
    await until('the missing segment, the stranger and the quarantine', async () => (await links.count()) >= 3);
    await links.first().click();
    await page.waitForURL(/\/store$/);
  });
  await test('an address without a tenant leads there, as doctor prints it', async () => {
    await page.goto(`${origin}/store`);
    await page.waitForURL(/\/t\/[^/]+\/store$/);
  });
  for (const language of ['en', 'ja'])
    await test(`${language}: what is missing, of which host and hours; what was set aside; what lies in quarantine and why`, async () => {
      await see(language);
      const missing = page.locator('[data-file=missing]');
      await missing.waitFor();
      const said = await missing.textContent();
      assert.ok(said.includes(lost), said);
      assert.match(said, /web-shell/);
      assert.equal(await missing.locator('time').count(), 3, 'from, to and since when');
      assert.match(await page.locator('[data-file=kept]').textContent(), /stranger\.parquet/);
      assert.equal(await page.locator('[data-detained]').count(), 2);
      const damaged = page.locator(`[data-detained=${kept.damaged}]`);
      assert.equal(await damaged.locator('button').count(), 0, 'a retry of damaged bytes is offered');
      const whole = await page.locator(`[data-detained=${kept.whole}]`).textContent();
      assert.match(whole, /web-shell/);
      assert.match(whole, language === 'ja' ? /ワーカーがクラッシュしました/ : /seal worker crashed/);
    });
  for (const [language, theme] of [
    ['en', 'dark'],
    ['en', 'light'],
    ['ja', 'dark'],
    ['ja', 'light'],
  ])
    await test(`${language} ${theme}: axe finds nothing, and nothing is wider than the page`, async () => {
      for (const [width, height] of [
        [1280, 800],
        [1920, 1080],
      ]) {
        await page.setViewportSize({ width, height });
        for (const path of ['store', 'home']) {
          await see(language, theme, path);
          await shot(`${path}-${language}-${theme}-${width}`);
          const wide = await page.evaluate(() =>
            [...document.querySelectorAll('#main *')]
              .filter((e) => e.getBoundingClientRect().right > innerWidth + 1)
              .map((e) => e.outerHTML.slice(0, 120)),
          );
          assert.deepEqual(wide, []);
        }
        await see(language, theme);
        assert.deepEqual(await violations(page), []);
        await page.keyboard.press('r');
        await page.locator('dialog[open]').waitFor();
        await shot(`take-in-${language}-${theme}-${width}`);
        assert.deepEqual(await violations(page), []);
        await page.keyboard.press('Escape');
      }
    });
  await test('a retry while a stored file is missing is told with the reason, in Japanese, and nothing goes', async () => {
    await see('ja');
    await page.keyboard.press('r');
    await page.locator('dialog[open] button').last().click();
    await page.locator('[data-taken-in="0"]').waitFor();
    const said = await page.locator('dialog[open]').textContent();
    await shot('take-in-failed');
    assert.match(said, /まだ保存できないもの: 1 個/);
    assert.match(said, /読み取れない保存済みファイル/);
    await page.keyboard.press('Escape');
    assert.equal(await page.locator('[data-detained]').count(), 2);
  });
  await test('once the segment is put back, a retry by the button of the row takes it in, and the list says so', async () => {
    renameSync(join(top, 'lost.parquet'), join(data, 'segments', lost));
    await until('the segment is read again', () => !store().files?.some((f) => f.state === 'missing'), 90_000);
    await see('en');
    await page.locator(`[data-detained=${kept.whole}] button`).click();
    await page.locator('dialog[open] button').last().click();
    await page.locator('[data-taken-in]').waitFor();
    await shot('take-in-done');
    assert.ok(Number(await page.locator('[data-taken-in]').getAttribute('data-taken-in')) > 0);
    await page.locator('[data-taken-in] button').click();
    await page.locator(`[data-detained=${kept.whole}]`).waitFor({ state: 'detached' });
    assert.equal(await page.locator('[data-file=missing]').count(), 0);
    const listed = JSON.parse(yagura('quarantine', '--json'));
    assert.deepEqual(
      listed.items.map((k) => k.id),
      [kept.damaged],
    );
  });
  await test('a server that is gone is told on the page', async () => {
    await stop();
    await page.evaluate((p) => history.pushState(null, '', p), `/t/${tenant}/nothing-here`);
    await page.locator('[data-live=live]').waitFor({ state: 'detached' });
    await page.locator('[role=alert]').first().waitFor();
  });
  await test('no policy violation and no console error', () => assert.deepEqual(faults, []));
  await context.close();
} catch (error) {
  fail();
  console.log(`FAIL  the run itself\n      ${error.stack ?? error}`);
} finally {
  await browser?.close();
  server?.kill();
  rmSync(top, { recursive: true, force: true, maxRetries: 50, retryDelay: 100 }); // the server that was told to end may still write
}
process.exit(verdict());
