// Opens the real Chromium of this machine and signs in as a person does. Used by the scripts beside it.
import { createHmac, randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

const browsers = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

export async function launch() {
  const executablePath = process.env.CHROMIUM ?? browsers.find((b) => existsSync(b));
  if (!executablePath) throw new Error('no Chromium found: apt install chromium, or set CHROMIUM');
  return chromium.launch({ executablePath, headless: true, args: process.getuid?.() === 0 ? ['--no-sandbox'] : [] });
}

/** A page that gathers what must never happen: content policy violations and errors of our own code. */
export async function newPage(browser, options = {}) {
  const context = await browser.newContext({
    viewport: { width: 1600, height: 900 },
    locale: 'en-GB',
    timezoneId: 'Asia/Tokyo',
    ...options,
  });
  const page = await context.newPage();
  const faults = [];
  page.on('pageerror', (e) => faults.push(`page error: ${e.message}`));
  page.on('console', (m) => {
    if (m.type() === 'error' && !/Failed to load resource/.test(m.text())) faults.push(`console: ${m.text()}`);
  });
  page.on('dialog', (d) => {
    faults.push(`a dialog opened: ${d.message()}`);
    void d.dismiss();
  });
  return { context, page, faults };
}

/** The six digits of RFC 6238 for a base32 secret. */
export function totp(secret, at = Date.now()) {
  const bits = [...secret.replace(/=+$/, '')]
    .map((c) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0'))
    .join('');
  const key = Buffer.from(bits.match(/.{8}/g).map((b) => Number.parseInt(b, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(at / 30_000)));
  const mac = createHmac('sha1', key).update(counter).digest();
  const offset = mac[19] & 15;
  return String((mac.readUInt32BE(offset) & 0x7fffffff) % 1_000_000).padStart(6, '0');
}

export const user = { name: 'y.sato', password: `watch the tower ${randomUUID()}` };

/** Redeems the one-time link: name, password, code of the shown secret. Gives the secret back. */
export async function setUp(page, link) {
  await page.goto(link);
  const secret = (await page.locator('[data-totp-secret]').textContent()).trim();
  await page.locator('input[name=name]').fill(user.name);
  await page.locator('input[name=password]').fill(user.password);
  await page.locator('input[name=code]').fill(totp(secret));
  await page.locator('button[type=submit]').click();
  await page.waitForURL(/\/t\/[^/]+\/home/);
  return secret;
}

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What axe finds on the page as it is now, one line a rule. Its source is evaluated, not added: the content policy refuses scripts. */
export async function violations(page) {
  await page.evaluate(
    `(() => { const module = undefined; const exports = undefined; const define = undefined; if (window.axe) return; ${axeSource} })()`,
  );
  const result = await page.evaluate(() =>
    window.axe.run(document, {
      resultTypes: ['violations'],
      runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
    }),
  );
  return result.violations.map(
    (v) => `${v.id} (${v.nodes.length}) ${v.nodes[0]?.html.slice(0, 160)} ${v.nodes[0]?.any[0]?.message ?? v.help}`,
  );
}
