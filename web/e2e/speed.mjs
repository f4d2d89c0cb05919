// How soon what the kernel saw is a row on an open page: node e2e/speed.mjs --url URL --sign-in LINK --data DIR
// --yagura PROGRAM [--marks 40]. dev/bench/page.sh calls it beside a load. It runs a harmless search that one of our own
// rules finds, again and again, and a MutationObserver in the page notes when each row is in the document. The event's
// time is the kernel's, as the server keeps it. The clock of host, server and page is one machine's. Prints JSON.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { launch, newPage, setUp } from './session.mjs';

const { values } = parseArgs({
  options: {
    url: { type: 'string' },
    'sign-in': { type: 'string' },
    data: { type: 'string' },
    yagura: { type: 'string' },
    marks: { type: 'string', default: '40' },
    every: { type: 'string', default: '1250' }, // ms; a rule raises at most 60 detections a minute on one host
  },
});
const marks = Number(values.marks);
const empty = mkdtempSync(join(tmpdir(), 'yagura-page-'));
const origin = values.url.replace(/\/$/, '');
const clock = () => performance.timeOrigin + performance.now();

/** Notes, by mark, when its row came into the document and when the next frame was drawn. */
const observe = () => {
  window.seen = {};
  const look = () => {
    const at = performance.timeOrigin + performance.now();
    for (const row of document.querySelectorAll('[role=row][data-id]')) {
      const mark = /yagura-mark-(\w+)/.exec(row.textContent)?.[1];
      if (!mark || window.seen[mark]) continue;
      const entry = { at, frame: 0, off: at - Date.now() };
      window.seen[mark] = entry;
      requestAnimationFrame(() =>
        requestAnimationFrame(() => {
          entry.frame = performance.timeOrigin + performance.now();
        }),
      );
    }
  };
  new MutationObserver(look).observe(document.body, { childList: true, subtree: true, characterData: true });
  look();
};

function summary(list) {
  const v = list.filter((x) => Number.isFinite(x)).sort((a, b) => a - b);
  const at = (q) => (v.length === 0 ? null : Math.round(v[Math.min(v.length - 1, Math.floor(q * v.length))]));
  return { n: v.length, p50: at(0.5), p95: at(0.95), max: at(1) };
}

/** Kernel times of the marks (ms), from the detections that the server keeps. */
function kernelTimes() {
  const out = execFileSync(values.yagura, ['--data', values.data, 'detections', '--limit', '1000', '--json'], {
    maxBuffer: 64 << 20,
    encoding: 'utf8',
  });
  const times = new Map();
  for (const d of JSON.parse(out)) {
    const mark = /yagura-mark-(\w+)/.exec(JSON.stringify(d))?.[1];
    if (mark) times.set(mark, Number(d.time) / 1000); // µs
  }
  return times;
}

async function measure(page, name, path) {
  await page.goto(`${origin}/t/${new URL(page.url()).pathname.split('/')[2]}/${path}`);
  await page.locator('[data-live=live]').waitFor();
  await page.mouse.move(4, 400); // a pointer on the list would hold new rows back
  await page.evaluate(observe);
  await page.waitForTimeout(2000);
  const begun = new Map();
  for (let i = 0; i < marks; i += 1) {
    const mark = `${name}${i}x`;
    begun.set(mark, clock());
    const find = spawn('/usr/bin/find', [empty, '-maxdepth', '0', '-perm', '-4000', '-name', `yagura-mark-${mark}`], {
      stdio: 'ignore',
    });
    await new Promise((done) => find.on('exit', done));
    // Not in step with anything that ticks.
    await page.waitForTimeout(Number(values.every) + Math.random() * 100 - 50);
  }
  await page.waitForTimeout(5000);
  const seen = await page.evaluate(() => window.seen);
  return { name, begun, seen };
}

const browser = await launch();
const { page, faults } = await newPage(browser);
page.setDefaultTimeout(20_000);
const result = {};
try {
  await setUp(page, values['sign-in']);
  const runs = [
    await measure(page, 'detections', 'detections'),
    await measure(page, 'events', 'events?kind=process.exec'),
  ];
  const kernel = kernelTimes();
  for (const { name, begun, seen } of runs) {
    const known = [...begun.keys()].filter((m) => seen[m] && kernel.has(m));
    result[name] = {
      marks: begun.size,
      missing: begun.size - known.length,
      kernel_to_row_ms: summary(known.map((m) => seen[m].at - kernel.get(m))),
      kernel_to_frame_ms: summary(known.map((m) => (seen[m].frame || Number.NaN) - kernel.get(m))),
      start_to_row_ms: summary(known.map((m) => seen[m].at - begun.get(m))),
      page_clock_off_ms: summary(known.map((m) => seen[m].off)),
    };
  }
  result.faults = faults;
} finally {
  await browser.close();
  rmdirSync(empty);
}
console.log(JSON.stringify(result, null, 2));
