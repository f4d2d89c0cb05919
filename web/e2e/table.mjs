// Every control and key of the console with what it must do. clicks.mjs enumerates what each page really has and fails
// when something is not in here. A row: where it stands, how it is found, what pressing it must do.
//
// css may be a function of the messages of the language; `press` is how it is used when a click is not it.

const goes =
  (re) =>
  async ({ page }) =>
    page.waitForURL(re);
const opens =
  (key) =>
  async ({ page, t, esc }) => {
    await page.getByRole('dialog', { name: t[key], exact: true }).waitFor();
    await esc();
  };
const shows =
  (css) =>
  async ({ page }) =>
    page.locator(css).first().waitFor();
const gone =
  (css) =>
  async ({ page }) =>
    page.locator(css).first().waitFor({ state: 'detached' });
const focuses =
  (css) =>
  async ({ page, until }) =>
    until(`focus on ${css}`, () => page.evaluate((c) => document.activeElement?.closest(c) !== null, css));
const copies =
  (re) =>
  async ({ page, until }) =>
    until('the clipboard holds it', async () => re.test(await page.evaluate(() => navigator.clipboard.readText())));
const chooses = (value) => (control) => control.selectOption(value);
const types = (text) => (control) => control.fill(text);
const changes = async ({ before, look, until }) => until('the screen changes', async () => (await look()) !== before);
export const selected = '#main [aria-selected=true]';

/** Where a page is and what brings it into the state that the rows are about. */
export const states = {
  home: { path: 'home' },
  detections: { path: 'detections', ready: '[role=row][data-id]', keys: ['j'] },
  'detections/nothing': { path: 'detections?q=nosuchword', ready: '[data-empty=filter]' },
  incidents: { path: 'incidents', ready: '[role=row][data-id]', keys: ['j'] },
  'incidents/nothing': { path: 'incidents?q=nosuchword', ready: '[data-empty=filter]' },
  incident: { path: 'incidents/ID', ready: '[role=treegrid] [role=row][data-ref]' },
  'incident/claimed': { path: 'incidents/CLAIMED', ready: '[role=treegrid] [role=row][data-ref]' },
  'incident/closed': { path: 'incidents/CLOSED', ready: '[role=treegrid] [role=row][data-ref]' },
  'incident/events': {
    path: 'incidents/ID',
    ready: '[role=treegrid] [role=row][data-ref]',
    keys: ['t'],
    until: '[data-drawer] [role=row][data-id]',
  },
  'incident/verdict': {
    path: 'incidents/ID',
    ready: '[role=treegrid] [role=row][data-ref]',
    keys: ['v'],
    until: 'dialog[open]',
  },
  'incident/notes': {
    path: 'incidents/ID',
    ready: '[role=treegrid] [role=row][data-ref]',
    keys: ['m'],
    until: 'dialog[open]',
  },
  'incident/isolate': {
    path: 'incidents/ID',
    ready: '[role=treegrid] [role=row][data-ref]',
    keys: ['i'],
    until: 'dialog[open]',
  },
  'incident/kill': {
    path: 'incidents/ID',
    ready: '[role=treegrid] [role=row][data-ref]',
    keys: ['X'],
    until: 'dialog[open]',
  },
  'incident/unknown': { path: 'incidents/i-01900000-0000-7000-8000-000000000000', ready: '[data-empty]' },
  hosts: { path: 'hosts', ready: '[role=row][data-id]', keys: ['j'] },
  'hosts/nothing': { path: 'hosts', ready: '[role=row][data-id]', filter: 'nosuchword', until: '[data-empty=filter]' },
  events: { path: 'events', ready: '[role=row][data-id]', keys: ['j'] },
  'events/nothing': {
    path: 'events',
    ready: '[role=row][data-id]',
    filter: 'nosuchword',
    until: '[data-empty=filter]',
  },
  rules: { path: 'rules', ready: '[role=row][data-id]', keys: ['j'] },
  'rules/nothing': { path: 'rules', ready: '[role=row][data-id]', filter: 'nosuchword', until: '[data-empty=filter]' },
  response: { path: 'response', ready: '[role=row][data-id]', keys: ['j'] },
  'response/nothing': {
    path: 'response',
    ready: '[role=row][data-id]',
    filter: 'nosuchword',
    until: '[data-empty=filter]',
  },
  store: { path: 'store', ready: '[data-detained]' },
  'store/take-in': { path: 'store', ready: '[data-detained]', keys: ['r'], until: 'dialog[open]' },
  help: { path: 'home', keys: ['?'], until: 'dialog[open]' },
  missing: { path: 'no-such-page', ready: '#main h1' },
};

/** Controls outside #main: the same on every screen, pressed on one. */
export const shell = [
  {
    css: 'a[href="#main"]',
    press: async (c) => {
      await c.focus();
      await c.press('Enter');
    },
    does: focuses('#main'),
  },
  { css: 'header a[href="/"]', does: goes(/\/home$/) },
  { css: 'header a[href$="/home"]', does: goes(/\/home$/) },
  { css: (t) => `button[title="${t.zoneToUTC}"], button[title="${t.zoneToLocal}"]`, does: changes, again: true },
  { css: 'header fieldset button[lang=en]', does: shows('html[lang=en]') },
  { css: 'header fieldset button[lang=ja]', does: shows('html[lang=ja]') },
  {
    css: (t) => `button[aria-label="${t.themeToLight}"], button[aria-label="${t.themeToDark}"]`,
    does: shows('html[data-theme=light]'),
  },
  { css: (t) => `button[aria-label="${t.help}"]`, does: opens('keysTitle') },
  ...['home', 'detections', 'incidents', 'hosts', 'events', 'rules', 'response', 'store'].map((p) => ({
    css: `nav a[href$="/${p}"]`,
    does: goes(new RegExp(`/${p}$`)),
  })),
  { css: (t) => `header button:has-text("${t.signOut}")`, last: true, does: goes(/\/sign-in/) },
];

const filter = (word) => ({ css: '[data-filter]', press: types(word), does: changes });
const clear = { name: 'clearFilter', does: shows('[role=row][data-id]') };
const close = { css: (t) => `dialog button[aria-label="${t.close}"]`, does: gone('dialog[open]') };
const story = [
  { css: '#main > div > header a[href$="/incidents"]', does: goes(/\/incidents$/) },
  { css: (t) => `#main header button:has-text("${t.notesTitle}")`, does: opens('notesTitle') },
  { css: '[data-answer] button[aria-pressed]', does: shows('[data-drawer]') },
  { css: '[data-answer] button[aria-expanded]', does: changes },
  { css: '[data-entry] button', does: changes },
  { css: '[data-entry] a', does: goes(/\/incidents\/i-/) },
  { css: '#main section[aria-label] [role=treegrid] button', does: changes },
  { css: '#main section nav button', does: changes },
  { css: '#main [data-pane] section button', does: changes }, // views and folds of the story
  { css: '[data-drawer] header button', does: gone('[data-drawer]') },
  { css: 'aside ol button', does: changes },
  { css: 'aside li button[aria-pressed]', does: shows('[data-drawer]') },
  { css: 'aside li button', does: changes },
  { css: 'aside div div button:not([aria-pressed])', name: 'copy', does: copies(/./) },
  {
    name: 'eventsShow',
    does: async ({ page, before, look, until }) => {
      void page;
      await until('events open or close', async () => (await look()) !== before);
    },
  },
  { name: 'isolateHost', does: opens('isolateHost') },
  { name: 'killProcess', does: opens('killProcess') },
];

/** Controls of a page or of the dialog that is open. The first row that fits a control is the one that speaks for it. */
export const controls = {
  home: [
    { css: '[data-failure] a[href$="/store"]', does: goes(/\/store$/) },
    { css: '[data-failure] a', does: goes(/\/hosts\?sel=/) },
    { css: '#main section button[aria-expanded]', does: shows('[data-failure]:nth-of-type(4)') },
    { css: '#main table a', does: goes(/\/hosts\?sel=/) },
    { css: '#main li[data-severity] a', does: goes(/\/incidents\/i-/) },
    { css: '#main section header a', does: goes(/\/incidents\?state=open/) },
  ],
  detections: [
    filter('curl'),
    { css: '#main select', press: chooses('high'), does: goes(/severity=high/) },
    { css: 'aside a', does: goes(/\/incidents\/i-/) },
    { name: 'copy', does: copies(/./) },
  ],
  'detections/nothing': [
    filter('curl'),
    { css: '#main select', press: chooses('low'), does: goes(/severity=low/) },
    clear,
  ],
  incidents: [
    filter('web-shell'),
    { css: (t) => `select[aria-label="${t.severity}"]`, press: chooses('high'), does: goes(/severity=high/) },
    { css: (t) => `select[aria-label="${t.stateFilter}"]`, press: chooses('open'), does: goes(/state=open/) },
    { css: (t) => `select[aria-label="${t.orderLabel}"]`, press: chooses('newest'), does: goes(/order=newest/) },
    { css: '[role=row] a', does: goes(/\/incidents\/i-/) },
    { name: 'claim', does: gone('#main header button:nth-of-type(2)') },
    { name: 'closeIncident', does: opens('closeIncident') },
  ],
  'incidents/nothing': [
    filter('web-shell'),
    { css: (t) => `select[aria-label="${t.severity}"]`, press: chooses('high'), does: goes(/severity=high/) },
    { css: (t) => `select[aria-label="${t.stateFilter}"]`, press: chooses('new'), does: goes(/state=new/) },
    { css: (t) => `select[aria-label="${t.orderLabel}"]`, press: chooses('newest'), does: goes(/order=newest/) },
    clear,
  ],
  incident: [
    {
      name: 'claim',
      last: true,
      does: async ({ page, t }) => page.locator('#main header button', { hasText: t.giveBack }).waitFor(),
    },
    { name: 'closeIncident', does: opens('closeIncident') },
    ...story,
  ],
  'incident/claimed': [
    {
      name: 'giveBack',
      last: true,
      does: async ({ page, t }) => page.locator('#main header button', { hasText: t.claim }).first().waitFor(),
    },
    { name: 'closeIncident', does: opens('closeIncident') },
    ...story,
  ],
  'incident/closed': [
    {
      name: 'reopen',
      last: true,
      does: async ({ page, t }) => page.locator('#main header button', { hasText: t.giveBack }).waitFor(),
    },
    ...story,
  ],
  'incident/events': [
    { name: 'claim', skip: 'pressed on incident', does: changes },
    { name: 'closeIncident', does: opens('closeIncident') },
    ...story,
  ],
  'incident/verdict': [
    close,
    { css: 'input[type=radio]', does: shows('input[type=radio]:checked') },
    { css: 'textarea', press: types('why'), does: async ({ page }) => page.locator('textarea').inputValue() },
    { name: 'cancel', does: gone('dialog[open]') },
    { css: 'button[type=submit]', does: shows('dialog[open] :invalid') }, // nothing is chosen: a slip closes nothing
  ],
  'incident/notes': [
    close,
    { css: 'textarea', press: types('why'), does: async ({ page }) => page.locator('textarea').inputValue() },
    {
      css: 'button[type=submit]',
      press: async (c, page) => {
        await page.locator('textarea').fill('seen by e2e\n二行目');
        await c.click();
      },
      does: shows('[data-change=note]'),
    },
  ],
  'incident/isolate': [close, { name: 'copy', does: copies(/^yagura .*respond (isolate|release) h-/) }],
  'incident/kill': [close, { name: 'copy', does: copies(/^yagura .*respond kill h-/) }],
  'incident/unknown': [{ css: '#main a[href$="/incidents"]', does: goes(/\/incidents$/) }],
  hosts: [filter('web-shell')],
  'hosts/nothing': [filter('web-shell'), clear],
  events: [
    filter('curl'),
    { css: '#main select', press: chooses('process.exec'), does: goes(/kind=process\.exec/) },
    { css: 'button[aria-pressed]', does: changes },
  ],
  'events/nothing': [
    filter('curl'),
    { css: '#main select', press: chooses('process.exec'), does: goes(/kind=/) },
    { css: 'button[aria-pressed]', does: changes },
    clear,
  ],
  rules: [filter('cron')],
  'rules/nothing': [filter('cron'), clear],
  response: [filter('isolate')],
  'response/nothing': [filter('isolate'), clear],
  store: [
    { css: '#main section header button', does: opens('takeInTitle') },
    { css: '[data-detained] button', does: opens('takeInTitle') },
  ],
  'store/take-in': [
    close,
    { name: 'cancel', does: gone('dialog[open]') },
    {
      name: 'takeInGo', // all of it is stored already: it is told and leaves the list
      last: true,
      does: async ({ page }) => {
        await shows('[data-taken-in]')({ page });
        await page.locator('dialog[open] [data-taken-in] button').click();
        await gone('[data-detained^=record-3]')({ page });
      },
    },
  ],
  help: [
    close,
    {
      name: 'keysOff',
      does: async ({ page, t }) => page.getByRole('button', { name: t.keysOn }).waitFor(),
      again: true,
    },
  ],
  missing: [{ css: 'a', does: goes(/\/home$/) }],
};

/** Keys by the id of the registry: what to press and what must come of it, wherever the page's help lists it. */
export const keys = {
  help: { press: ['?'], does: opens('keysTitle') },
  home: { press: ['g', 'o'], does: goes(/\/home$/) },
  queue: { press: ['g', 'q'], does: goes(/\/detections/) },
  incidents: { press: ['g', 'i'], does: goes(/\/incidents$|\/incidents\?/) },
  hosts: { press: ['g', 'h'], does: goes(/\/hosts/) },
  events: { press: ['g', 'e'], does: goes(/\/events/) },
  rules: { press: ['g', 'r'], does: goes(/\/rules/) },
  response: { press: ['g', 'a'], does: goes(/\/response/) },
  store: { press: ['g', 's'], does: goes(/\/store$/) },
  takeIn: { press: ['r'], does: opens('takeInTitle') },
  filter: {
    press: ['/'],
    does: async ({ page, until }) => {
      await focuses('[data-filter]')({ page, until });
      await page.keyboard.type('gj');
      await page.keyboard.press('Escape');
      await until('Esc leaves the filter', () =>
        page.evaluate(() => document.activeElement?.closest('[data-filter]') === null),
      );
    },
  },
  nextPane: { press: [']'], does: focuses('[data-pane]') },
  escape: { press: ['Escape'], does: changes },
  down: {
    press: ['j'],
    does: async (c) => {
      await shows(selected)(c);
      await focuses('[role=grid], [role=treegrid]')(c);
    },
  },
  up: { press: ['k'], does: shows(selected) },
  open: { press: ['Enter'], does: goes(/\/incidents\/i-/) },
  showNew: { press: ['n'], does: changes },
  claim: { press: ['c'], last: true, does: changes },
  verdict: { press: ['v'], does: opens('closeIncident') },
  notes: { press: ['m'], does: opens('notesTitle') },
  expand: { press: ['Home', 'ArrowLeft', 'ArrowRight'], does: shows('[role=treegrid] [aria-expanded=true]') },
  collapse: { press: ['Home', 'ArrowLeft'], does: shows('[role=treegrid] [aria-expanded=false]') },
  nextDetection: { press: ['d'], does: shows(selected) },
  context: { press: ['b'], does: changes },
  showEvents: { press: ['t'], does: shows('[data-drawer]') },
  copy: { press: ['y'], does: copies(/./) },
  isolate: { press: ['i'], does: opens('isolateHost') },
  kill: { press: ['X'], does: opens('killProcess') },
};
