// What a program of another user on the same machine can make of a signed-in console: node e2e/theft.mjs --bin ../bin/yagura.
// It starts a server without a sensor, signs in, and lets the browser meet web servers on other local ports, and one that
// takes the console's own port while the server is down. Nothing that they get opens anything.
import { strict as assert } from 'node:assert';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { fail, test, until, verdict } from './check.mjs';
import { launch, newPage, setUp, totp, user } from './session.mjs';

const { values } = parseArgs({ options: { bin: { type: 'string' } } });
const bin = values.bin ?? join(import.meta.dirname, '../../bin/yagura');
const data = mkdtempSync(join(tmpdir(), 'yagura-theft-'));
let server;
async function start(listen) {
  const ready = join(data, `ready-${Date.now()}.json`);
  server = spawn(
    bin,
    [
      'server',
      '--data',
      join(data, 'server'),
      '--listen',
      listen,
      '--sensor-listen',
      '127.0.0.1:0',
      '--ready-file',
      ready,
    ],
    { stdio: 'ignore', env: { ...process.env, LC_ALL: 'C.UTF-8' } },
  );
  return until(
    'the server is up',
    () => {
      try {
        return JSON.parse(readFileSync(ready, 'utf8'));
      } catch {
        return undefined;
      }
    },
    60_000,
  );
}
async function stop() {
  const gone = new Promise((done) => server.on('exit', done));
  server.kill();
  await gone;
}

/** A web server of another user. It notes the head of every request, and answers what pages says, or with a page. */
async function thief(port, pages = {}) {
  const heard = [];
  const answer = (q, r) => {
    heard.push({ url: q.url, headers: q.headers });
    const p = pages[new URL(q.url, 'http://localhost').pathname] ?? pages['*'];
    r.writeHead(200, { 'content-type': p?.type ?? 'text/html', ...p?.headers });
    r.end(p?.body ?? '<!doctype html><title>thief</title>');
  };
  const servers = [];
  for (const host of ['127.0.0.1', '::1']) {
    const s = createServer({ maxHeaderSize: 1 << 20 }, answer);
    await new Promise((done, fail) => {
      s.on('error', (e) => (e.code === 'EADDRNOTAVAIL' ? done() : fail(e)));
      s.listen(servers[0]?.address().port ?? port, host, done);
    });
    if (s.listening) servers.push(s);
  }
  const close = () =>
    Promise.all(
      servers.map((s) => {
        const closed = new Promise((done) => s.close(done));
        s.closeAllConnections();
        return closed;
      }),
    );
  return { heard, origin: `http://localhost:${servers[0].address().port}`, close };
}

/** What everything that was heard opens at the console, from outside of any browser. */
async function replay(origin, heard) {
  const call = (path, body, headers) =>
    fetch(`${origin}/yagura.console.v1.${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
  const opened = [];
  for (const { headers } of heard) {
    const take = {};
    for (const h of ['cookie', 'authorization', 'yagura-csrf']) if (headers[h]) take[h] = headers[h];
    const who = await call('SignIn/Who', {}, take);
    if (who.ok) {
      opened.push(`Who with ${Object.keys(take)}`);
      const said = await who.json();
      if (said.csrf) take['yagura-csrf'] = said.csrf;
    }
    const made = await call('Console/CreateEnrolToken', { uses: 10000 }, take);
    if (made.ok) opened.push(`CreateEnrolToken with ${Object.keys(take)}`);
  }
  return opened;
}

let browser;
try {
  const { url: origin, sign_in: link } = await start('127.0.0.1:0');
  const port = Number(new URL(origin).port);
  browser = await launch();
  const { context, page, faults } = await newPage(browser);
  page.setDefaultTimeout(10_000);
  const secret = await setUp(page, link);
  await page.locator('[data-live=live]').waitFor();
  const signedIn = async (p) => {
    await p.locator('[data-live=live]').waitFor();
    await p.getByRole('button', { name: `${user.name} · Sign out` }).waitFor();
  };

  await test('a page of another local port that reads again what the browser sends it gets nothing', async () => {
    const t = await thief(0, {
      '/': { body: '<script>fetch("/again").then(() => (document.title = "done"))</script>' },
    });
    const elsewhere = await thief(0, { '/': { body: `<a href="${t.origin}/">news</a>` } });
    const tab = await context.newPage();
    await tab.goto(elsewhere.origin.replace('localhost', '127.0.0.1')); // another site
    await tab.getByRole('link').click();
    await tab.waitForFunction(() => document.title === 'done');
    await tab.close();
    assert.ok(t.heard.some((h) => h.url === '/again'));
    assert.deepEqual(await replay(origin, t.heard), []);
    await t.close();
    await elsewhere.close();
  });

  await test('a page of another local port reads nothing of the console and calls nothing in its name', async () => {
    const attempts = `
      const out = {};
      const late = () => new Promise((ok) => setTimeout(ok, 5000, 'refused'));
      const note = async (name, f) => { try { out[name] = String(await Promise.race([f(), late()])); } catch (e) { out[name] = 'refused'; } };
      const call = (path, o) => () => fetch('${origin}/yagura.console.v1.' + path, { method: 'POST', credentials: 'include', body: '{}', ...o }).then((r) => r.text());
      (async () => {
        await note('who', call('SignIn/Who', { headers: { 'content-type': 'application/json' } }));
        await note('simple', call('SignIn/Who', { headers: { 'content-type': 'text/plain' } }));
        await note('token', call('Console/CreateEnrolToken', { headers: { 'content-type': 'application/json', authorization: 'Bearer x' } }));
        await note('page', () => fetch('${origin}/', { credentials: 'include' }).then((r) => r.text()));
        await note('script', () => new Promise((ok, no) => { const s = document.createElement('script'); s.src = '${origin}/assets/'; s.onload = ok; s.onerror = no; document.head.append(s); }));
        await note('worker', () => navigator.serviceWorker.register('${origin}/sw.js'));
        await note('frame', () => new Promise((ok) => { const f = document.createElement('iframe'); f.src = '${origin}/'; f.onload = () => { try { ok(f.contentWindow.localStorage.length); } catch { ok('refused'); } }; document.body.append(f); }));
        await note('storage', () => JSON.stringify({ ...localStorage }).includes('yagura') ? 'read' : 'refused');
        addEventListener('message', (e) => { out.message = e.data; });
        new BroadcastChannel('yagura-live').onmessage = (e) => { out.channel = e.data; };
        document.onclick = () => {
          const w = open('${origin}/');
          setTimeout(() => {
            try { out.opened = w.localStorage.length; } catch { out.opened = 'refused'; }
            if (w?.closed) out.opened = 'refused';
            w?.postMessage('give', '*');
            setTimeout(() => { document.title = JSON.stringify(out); }, 500);
          }, 2000);
        };
        document.title = 'ready';
      })();`;
    const t = await thief(0, {
      '/': { body: '<!doctype html><body><script src="/a.js"></script>' },
      '/a.js': { type: 'text/javascript', body: attempts },
    });
    const tab = await context.newPage();
    await tab.goto(t.origin);
    await tab.waitForFunction(() => document.title === 'ready', undefined, { timeout: 60_000 });
    await tab.mouse.click(900, 600); // beside the frame
    await tab.waitForFunction(() => document.title.startsWith('{'));
    const out = JSON.parse(await tab.title());
    assert.deepEqual(
      Object.fromEntries(Object.entries(out).filter(([, v]) => v !== 'refused')),
      {},
      'what is here was not refused',
    );
    assert.equal(Object.keys(out).length, 9);
    for (const p of context.pages()) if (p !== page) await p.close();
    await t.close();
  });

  await test('cookies that another local port sets neither sign out, nor in, nor stop the console', async () => {
    const set = [
      `__Host-yagura-${port}=thief; Path=/; Secure; SameSite=Strict`,
      `__Host-yagura-${port}=; Max-Age=0; Path=/; Secure`,
    ];
    for (let i = 0; i < 60; i += 1) set.push(`bomb${i}=${'x'.repeat(3900)}; Path=/`);
    for (let at = 0; at < set.length; at += 3) {
      const t = await thief(0, { '/': { headers: { 'set-cookie': set.slice(at, at + 3) } } });
      const tab = await context.newPage();
      await tab.goto(t.origin);
      await tab.close();
      await t.close();
    }
    const sent = (await context.cookies(origin)).reduce((n, c) => n + c.value.length, 0);
    assert.ok(sent > 100_000, `only ${sent} bytes of cookies lie at the browser`);
    await page.reload();
    await signedIn(page);
    await context.clearCookies();
    await page.reload();
    await signedIn(page);
  });

  await test('a new tab, a reload, back and forward, and a link of a mail ask for nothing', async () => {
    const tab = await context.newPage();
    const asked = [];
    tab.on('framenavigated', (f) => /sign-in/.test(f.url()) && asked.push(f.url()));
    await tab.goto(origin);
    await signedIn(tab);
    await tab.goto(`${origin}/hosts`);
    await tab.waitForURL(/\/t\/[^/]+\/hosts/);
    await tab.reload();
    await signedIn(tab);
    await tab.goBack();
    await signedIn(tab);
    await tab.goForward();
    await signedIn(tab);
    assert.deepEqual(asked, []);
    await tab.close();
  });

  await test('signing out in one tab ends all; signing in in one opens the others where they were', async () => {
    const tab = await context.newPage();
    await tab.goto(`${origin}/rules`);
    await signedIn(tab);
    const token = await page.evaluate(() => localStorage.getItem('yagura.session'));
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.waitForURL(/\/sign-in/);
    await tab.waitForURL(/\/sign-in/);
    assert.deepEqual(await replay(origin, [{ headers: { authorization: `Bearer ${token}` } }]), []);
    await tab.locator('input[name=name]').fill(user.name);
    await tab.locator('input[name=password]').fill(user.password);
    await tab.locator('input[name=code]').fill(totp(secret, Date.now() + 30_000)); // each code opens once
    await tab.getByRole('button', { name: 'Sign in' }).click();
    await tab.waitForURL(/\/t\/[^/]+\/rules/);
    await signedIn(tab);
    await signedIn(page);
    await tab.close();
  });

  await test('who takes the port while the server is down gets a token that is worth nothing, and leaves nothing', async () => {
    await stop();
    const t = await thief(port, {
      '*': {
        body: '<!doctype html><title>thief</title><script>navigator.serviceWorker.register("/w.js").then(() => navigator.serviceWorker.ready).then(() => (document.title = "stays"))</script>',
      },
      '/w.js': {
        type: 'text/javascript',
        body: 'addEventListener("install", () => skipWaiting()); addEventListener("activate", (e) => e.waitUntil(clients.claim())); addEventListener("fetch", (e) => { if (e.request.mode === "navigate") e.respondWith(new Response("<title>owned</title>", { headers: { "content-type": "text/html" } })); });',
      },
    });
    // The open page asks by itself.
    await until('the open page calls', () => t.heard.some((h) => h.headers.authorization), 30_000);
    const tab = await context.newPage();
    await tab.goto(origin);
    await tab.waitForFunction(() => document.title === 'stays');
    await t.close();
    await start(`127.0.0.1:${port}`);
    assert.deepEqual(await replay(origin, t.heard), []);
    await tab.goto(`${origin}/sign-in`);
    await tab.locator('input[name=password]').waitFor({ timeout: 20_000 });
    await until('the worker is gone', () =>
      tab.evaluate(async () => (await navigator.serviceWorker.getRegistrations()).length === 0),
    );
    await tab.reload();
    await tab.locator('input[name=password]').waitFor();
    await tab.close();
  });

  await test('nothing failed unseen in the console', () => {
    assert.deepEqual(
      faults.filter((f) => !/401|unauthenticated|ERR_CONNECTION|Failed to fetch/i.test(f)),
      [],
    );
  });
} catch (error) {
  fail();
  console.log(`FAIL  ${error.stack ?? error}`);
} finally {
  await browser?.close();
  server?.kill();
  await new Promise((done) => (server && server.exitCode === null ? server.on('exit', done) : done()));
  rmSync(data, { recursive: true, force: true, maxRetries: 50, retryDelay: 100 }); // the server that was told to end may still write
}
process.exit(verdict());
