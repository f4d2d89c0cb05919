// Takes pictures of every screen in both languages and themes, to be looked at: node e2e/look.mjs --sign-in URL --out DIR
import { mkdirSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { launch, newPage, setUp } from './session.mjs';

const { values } = parseArgs({
  options: { 'sign-in': { type: 'string' }, out: { type: 'string' }, only: { type: 'string' } },
});
const origin = new URL(values['sign-in']).origin;
mkdirSync(values.out, { recursive: true });
const browser = await launch();
const { context, page, faults } = await newPage(browser);
await page.goto(values['sign-in']);
await page.locator('[data-totp-secret]').waitFor();
await page.screenshot({ path: `${values.out}/sign-in.png` });
await setUp(page, values['sign-in']);
const tenant = new URL(page.url()).pathname.split('/')[2];
await page.goto(`${origin}/t/${tenant}/incidents`);
await page.waitForTimeout(700);
const first = await page
  .locator('[role=row][data-id]')
  .first()
  .getAttribute('data-id')
  .catch(() => null);
const screens = [
  ['home', 'home'],
  ['queue', 'detections'],
  ['incidents', 'incidents'],
  ['hosts', 'hosts'],
  ['events', 'events'],
  ['rules', 'rules'],
  ['response', 'response'],
  ['store', 'store'],
];
if (first) screens.push(['incident', `incidents/${first}`]);
for (const language of ['en', 'ja']) {
  for (const theme of ['dark', 'light']) {
    await page.evaluate(
      ([l, th]) => {
        localStorage.setItem('yagura.language', l);
        localStorage.setItem('yagura.theme', th);
      },
      [language, theme],
    );
    for (const [name, path] of screens) {
      if (values.only && values.only !== name) continue;
      await page.goto(`${origin}/t/${tenant}/${path}`);
      await page.waitForTimeout(900);
      if (['queue', 'hosts', 'events', 'response'].includes(name))
        await page
          .locator('[role=row][data-id]')
          .first()
          .click()
          .catch(() => undefined);
      if (name === 'incident') {
        const rows = page.locator('[role=row][data-kind=process]');
        const n = await rows.count(); // none in the story of a sensor that was tampered with
        if (n) await rows.nth(Math.min(4, n - 1)).click();
        await page
          .locator('[data-answer=why] button')
          .first()
          .click()
          .catch(() => undefined);
      }
      await page.waitForTimeout(400);
      await page.screenshot({ path: `${values.out}/${name}-${language}-${theme}.png` });
    }
  }
}
for (const f of faults) console.log(f);
await context.close();
await browser.close();
