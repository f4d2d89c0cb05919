// Checks of a story in the browser, one line each, and waiting for what comes by itself.

let failed = 0;

/** Runs one check and says how it went; the next one runs all the same. */
export async function test(name, body) {
  const at = Date.now();
  try {
    await body();
    console.log(`ok    ${name} (${Date.now() - at} ms)`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL  ${name}\n      ${String(error.message ?? error).replaceAll('\n', '\n      ')}`);
  }
}

/** Says that something between the checks failed. */
export function fail() {
  failed += 1;
}

/** The exit code: 0 when nothing failed. */
export const verdict = () => (failed === 0 ? 0 : 1);

/** Waits until ok gives something, and gives that. */
export async function until(what, ok, ms = 30_000) {
  for (const end = Date.now() + ms; ; ) {
    const v = await ok();
    if (v) return v;
    if (Date.now() > end) throw new Error(`not within ${ms / 1000} s: ${what}`);
    await new Promise((go) => setTimeout(go, 50));
  }
}
