// An answer that lacks what cannot be read says so on the page, in both languages: node e2e/partial.mjs --sign-in URL
import { parseArgs } from 'node:util';
import { launch, newPage, setUp } from './session.mjs';

const { values } = parseArgs({ options: { 'sign-in': { type: 'string' } } });
const origin = new URL(values['sign-in']).origin;
const browser = await launch();
const { page } = await newPage(browser);
await page.goto(values['sign-in']);
await setUp(page, values['sign-in']);
const tenant = new URL(page.url()).pathname.split('/')[2];
await page.goto(`${origin}/t/${tenant}/incidents`);
const id = await page.locator('[role=row][data-id]').first().getAttribute('data-id');
const want = { en: 'This answer is not whole', ja: 'この回答は完全ではありません' };
for (const [language, words] of Object.entries(want)) {
  await page.evaluate((l) => localStorage.setItem('yagura.language', l), language);
  await page.goto(`${origin}/t/${tenant}/incidents/${id}`);
  await page.locator('[data-answer] button[aria-pressed]').first().click();
  const said = await page.locator('[data-drawer]').getByRole('alert').first().textContent();
  if (!said.includes(words)) throw new Error(`${language}: the drawer says ${JSON.stringify(said)}, not ${words}`);
  await page.goto(`${origin}/t/${tenant}/home`);
  await page.getByText('yagura store').first().waitFor();
  console.log(`${language}: ok`);
}
await browser.close();
