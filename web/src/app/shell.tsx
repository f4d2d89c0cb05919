import { type Query, type QueryClient, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, Outlet, useLocation, useNavigate, useParams, useRouter } from '@tanstack/react-router';
import { type ReactNode, useCallback, useEffect, useState, useSyncExternalStore } from 'react';
import { isNotFound, isSignedOut, reasonOf, signIn } from '../api/client';
import { login } from '../api/login';
import { reads } from '../api/reads';
import { dropDrafts } from '../features/incident/drafts';
import { languages, useSpeech, useText } from '../i18n/language';
import { KeyHelp } from '../keys/help';
import { focusContent, focusPane, useKeys } from '../keys/keys';
import { Button, Key } from '../ui/button';
import { Icon, type IconName, Tower } from '../ui/icon';
import { Raw } from '../ui/raw';
import { clockText, useNow, useSpan, useZone } from '../ui/time';
import { LiveProvider, useLive } from './live';
import { useTheme } from './theme';

/** The frame of every screen: rail, top bar, and the screen in the middle. */
export function Shell() {
  return (
    <LiveProvider>
      <Frame />
    </LiveProvider>
  );
}

function Frame() {
  const t = useText();
  const [help, setHelp] = useState(false);
  const navigate = useNavigate();
  const { tenant } = useParams({ from: '/t/$tenant' });
  const { pathname } = useLocation();
  const router = useRouter();
  const { state } = useLive();
  useEffect(() => {
    // A page that is opened for the first time while the server is down must still say so, not be a dead tab.
    if (state === 'live')
      for (const route of Object.values(router.routesById)) void router.loadRouteChunk(route)?.catch(() => undefined);
  }, [state, router]);
  useEffect(() => {
    void pathname; // a new screen is read from its content on, unless the reader holds the focus elsewhere
    if (document.activeElement === null || document.activeElement === document.body) focusContent();
  }, [pathname]);
  const go = (
    to:
      | '/t/$tenant/home'
      | '/t/$tenant/detections'
      | '/t/$tenant/incidents'
      | '/t/$tenant/hosts'
      | '/t/$tenant/events'
      | '/t/$tenant/rules'
      | '/t/$tenant/response'
      | '/t/$tenant/store',
  ) => void navigate({ to, params: { tenant } });
  useKeys({
    help: () => setHelp(true),
    home: () => go('/t/$tenant/home'),
    queue: () => go('/t/$tenant/detections'),
    incidents: () => go('/t/$tenant/incidents'),
    hosts: () => go('/t/$tenant/hosts'),
    events: () => go('/t/$tenant/events'),
    rules: () => go('/t/$tenant/rules'),
    response: () => go('/t/$tenant/response'),
    store: () => go('/t/$tenant/store'),
    nextPane: (e) => focusPane(e.key === '[' ? -1 : 1),
  });
  return (
    <div className="flex h-full flex-col">
      <a href="#main" className="sr-only focus:not-sr-only focus:absolute focus:z-50 focus:bg-surface-3 focus:p-2">
        {t.skipToMain}
      </a>
      <TopBar onHelp={() => setHelp(true)} />
      <LostBanner />
      <StaleBanner />
      <div className="flex min-h-0 flex-1">
        <Rail />
        <main id="main" tabIndex={-1} className="min-w-0 flex-1 overflow-hidden outline-offset-[-2px]">
          <Outlet />
        </main>
      </div>
      {help && <KeyHelp onClose={() => setHelp(false)} />}
    </div>
  );
}

function TopBar({ onHelp }: { onHelp: () => void }) {
  const { t, language, setLanguage } = useSpeech();
  const { theme, setTheme } = useTheme();
  const { zone, setZone } = useZone();
  const { data: who } = useQuery(reads.who());
  const client = useQueryClient();
  const navigate = useNavigate();
  return (
    <header className="flex min-h-11 shrink-0 flex-wrap items-center gap-x-2 border-b border-line bg-surface-1 px-3 whitespace-nowrap max-md:px-1 max-md:py-1">
      <Link to="/" className="flex items-center gap-2 text-base font-bold">
        <Tower />
        {t.product}
      </Link>
      <span className="text-muted max-md:hidden" aria-hidden="true">
        /
      </span>
      <span translate="no" className="text-text-2 max-md:hidden">
        {who?.tenantName}
      </span>
      <HealthDot />
      <div className="ml-auto flex items-center gap-1 max-md:gap-0">
        <LiveMark />
        <Button
          tone="ghost"
          onClick={() => setZone(zone === 'utc' ? 'local' : 'utc')}
          title={zone === 'utc' ? t.zoneToLocal : t.zoneToUTC}
        >
          {zone === 'utc' ? t.utc : `${t.zoneLocal} ${offset()}`}
        </Button>
        <fieldset className="flex rounded border border-line">
          <legend className="sr-only">{t.languageToggle}</legend>
          {languages.map((l) => (
            <button
              key={l}
              type="button"
              lang={l}
              aria-pressed={language === l}
              onClick={() => setLanguage(l)}
              className={`min-h-6 px-2 text-sm ${language === l ? 'bg-surface-3 font-semibold text-text' : 'text-text-2 hover:bg-hover'}`}
            >
              {l === 'en' ? 'EN' : '日本語'}
            </button>
          ))}
        </fieldset>
        <Button
          tone="ghost"
          onClick={() => setTheme(theme === 'dark' ? 'light' : 'dark')}
          label={theme === 'dark' ? t.themeToLight : t.themeToDark}
        >
          <Icon name={theme === 'dark' ? 'sun' : 'moon'} />
        </Button>
        <Button tone="ghost" onClick={onHelp} label={t.help}>
          <Key text="?" />
        </Button>
        <Button
          tone="ghost"
          title={who ? t.signedInAs(who.user) : t.signOut}
          onClick={() => {
            const token = login.token();
            void signIn.close({}).finally(() => {
              login.end(token);
              dropDrafts();
              client.clear();
              void navigate({ to: '/sign-in', search: { next: undefined } });
            });
          }}
        >
          <span className="max-md:sr-only">
            <Raw text={who?.user ?? ''} full /> ·{' '}
          </span>
          {t.signOut}
        </Button>
      </div>
    </header>
  );
}

function offset(): string {
  const m = -new Date().getTimezoneOffset();
  const sign = m < 0 ? '−' : '+';
  const h = Math.floor(Math.abs(m) / 60);
  return `${sign}${h}${m % 60 === 0 ? '' : `:${String(Math.abs(m) % 60).padStart(2, '0')}`}`;
}

function LiveMark() {
  const t = useText();
  const { state } = useLive();
  if (state === 'live')
    return (
      <span data-live="live" className="flex items-center gap-1 px-1 text-xs text-ok">
        <span aria-hidden="true">●</span>
        <span className="max-md:sr-only">{t.live}</span>
      </span>
    );
  return <span className="px-1 text-xs text-muted">{state === 'connecting' ? t.liveConnecting : ''}</span>;
}

function LostBanner() {
  const t = useText();
  const { state, heard } = useLive();
  const now = useNow(1000);
  const span = useSpan();
  if (state !== 'lost') return null;
  return (
    <div role="alert" className="border-b border-warn bg-warn-bg px-3 py-1 font-semibold text-warn">
      {t.liveLost(span(now - heard))}
    </div>
  );
}

/** A read that failed while its page stands: what is shown is the answer before, so it is said, and asked for again. */
function StaleBanner() {
  const { t, language } = useSpeech();
  const client = useQueryClient();
  const { state } = useLive();
  const { zone } = useZone();
  const failed = useSyncExternalStore(
    useCallback((tell) => client.getQueryCache().subscribe(tell), [client]),
    () => failedRead(client),
  );
  const again = failed !== undefined;
  useEffect(() => {
    if (!again) return undefined;
    const timer = setInterval(() => {
      const q = failedRead(client);
      if (q) void client.refetchQueries({ type: 'active', predicate: (x) => x.state.status === 'error' });
    }, 5000);
    return () => clearInterval(timer);
  }, [again, client]);
  if (failed?.state.data === undefined || state === 'lost') return null;
  return (
    <div data-stale role="alert" className="border-b border-warn bg-warn-bg px-3 py-1 font-semibold text-warn">
      {t.staleRead(
        clockText(failed.state.dataUpdatedAt * 1000, language, zone),
        reasonOf(failed.state.error, language),
      )}
    </div>
  );
}

function failedRead(client: QueryClient): Query | undefined {
  return client
    .getQueryCache()
    .findAll({ type: 'active' })
    .find((q) => q.state.status === 'error' && !isNotFound(q.state.error) && !isSignedOut(q.state.error));
}

/** Health in one mark: how many silent failures, none, or not known. It leads to Home. */
function HealthDot() {
  const t = useText();
  const { state } = useLive();
  const { data, isError } = useQuery(reads.home());
  const { tenant } = useParams({ from: '/t/$tenant' });
  // What is only held back, counted and named is told on Home; nothing has failed.
  const failures = data?.silentFailures.filter((f) => f.severity !== 'informational').length ?? 0;
  // What was good a while ago proves nothing while the server is not heard.
  const heard = state !== 'lost' && !isError;
  const proven = heard && data !== undefined && data.hosts > 0 && data.canaryOldestUs >= 0n && data.hostsReporting > 0;
  const tone = failures > 0 ? 'bg-critical-bg text-critical' : proven ? 'bg-ok-bg text-ok' : 'bg-warn-bg text-warn';
  return (
    <Link
      to="/t/$tenant/home"
      params={{ tenant }}
      data-health={failures > 0 ? 'bad' : proven ? 'good' : 'unknown'}
      className={`ml-2 rounded-sm px-2 py-0.5 text-xs font-semibold ${tone}`}
    >
      <span aria-hidden="true">{failures > 0 ? '▲ ' : proven ? '✓ ' : '? '}</span>
      {failures > 0 ? t.silentCount(failures) : proven ? t.silentNone : t.silentUnknown}
    </Link>
  );
}

function Rail() {
  const t = useText();
  return (
    <nav
      aria-label={t.navLabel}
      className="flex w-12 shrink-0 flex-col gap-0.5 border-r border-line bg-surface-1 p-1.5 max-md:w-10 max-md:px-0.5 min-[90rem]:w-40"
    >
      <Item to="/t/$tenant/home" icon="home" label={t.navHome} />
      <Item to="/t/$tenant/detections" icon="queue" label={t.navQueue} />
      <Item to="/t/$tenant/incidents" icon="story" label={t.navIncidents} />
      <Item to="/t/$tenant/hosts" icon="host" label={t.navHosts} />
      <Item to="/t/$tenant/events" icon="events" label={t.navEvents} />
      <Item to="/t/$tenant/rules" icon="rule" label={t.navRules} />
      <Item to="/t/$tenant/response" icon="response" label={t.navResponse} />
      <Item to="/t/$tenant/store" icon="store" label={t.navStore} />
    </nav>
  );
}

function Item({
  to,
  icon,
  label,
}: {
  to:
    | '/t/$tenant/home'
    | '/t/$tenant/detections'
    | '/t/$tenant/incidents'
    | '/t/$tenant/hosts'
    | '/t/$tenant/events'
    | '/t/$tenant/rules'
    | '/t/$tenant/response'
    | '/t/$tenant/store';
  icon: IconName;
  label: ReactNode;
}) {
  const { tenant } = useParams({ from: '/t/$tenant' });
  return (
    <Link
      to={to}
      params={{ tenant }}
      title={typeof label === 'string' ? label : undefined}
      className="flex min-h-8 items-center gap-2.5 rounded px-2 text-text-2 hover:bg-hover hover:text-text aria-[current=page]:bg-selected aria-[current=page]:font-semibold aria-[current=page]:text-text"
    >
      <Icon name={icon} />
      <span className="sr-only min-[90rem]:not-sr-only">{label}</span>
    </Link>
  );
}
