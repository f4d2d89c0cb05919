import type { QueryClient } from '@tanstack/react-query';
import {
  createRootRouteWithContext,
  createRoute,
  createRouter,
  lazyRouteComponent,
  notFound,
  Outlet,
  redirect,
  rootRouteId,
} from '@tanstack/react-router';
import { isSignedOut } from '../api/client';
import { reads } from '../api/reads';
import { LostPage, NotFound } from './not-found';
import { Shell } from './shell';

interface Context {
  client: QueryClient;
}

const root = createRootRouteWithContext<Context>()({ component: Outlet, notFoundComponent: LostPage });

function str(v: unknown): string | undefined {
  return typeof v === 'string' && v !== '' ? v : undefined;
}

const signInRoute = createRoute({
  getParentRoute: () => root,
  path: '/sign-in',
  validateSearch: (s: Record<string, unknown>): { next?: string } => ({ next: str(s.next) }),
  component: lazyRouteComponent(() => import('../features/sign-in/page'), 'SignInPage'),
});

const index = createRoute({
  getParentRoute: () => root,
  path: '/',
  beforeLoad: async ({ context }) => {
    const who = await session(context.client, '/');
    throw redirect({ to: '/t/$tenant/home', params: { tenant: who.tenantName } });
  },
});

/** Addresses without a tenant, as notices carry them: they lead to the reader's own tenant, through sign-in. */
const short = (
  [
    ['/incidents/$id', '/t/$tenant/incidents/$id'],
    ['/incidents', '/t/$tenant/incidents'],
    ['/detections', '/t/$tenant/detections'],
    ['/hosts', '/t/$tenant/hosts'],
    ['/events', '/t/$tenant/events'],
    ['/rules', '/t/$tenant/rules'],
    ['/response', '/t/$tenant/response'],
    ['/store', '/t/$tenant/store'],
    ['/home', '/t/$tenant/home'],
  ] as const
).map(([path, to]) =>
  createRoute({
    getParentRoute: () => root,
    path,
    beforeLoad: async ({ context, location, params }) => {
      const who = await session(context.client, location.href);
      throw redirect({ to, params: { ...params, tenant: who.tenantName }, search: location.search, replace: true });
    },
  }),
);
const shortHost = createRoute({
  getParentRoute: () => root,
  path: '/hosts/$id',
  beforeLoad: async ({ context, location, params }) => {
    const who = await session(context.client, location.href);
    throw redirect({
      to: '/t/$tenant/hosts',
      params: { tenant: who.tenantName },
      search: { sel: params.id },
      replace: true,
    });
  },
});
const shortDetection = createRoute({
  getParentRoute: () => root,
  path: '/detections/$id',
  beforeLoad: async ({ context, location, params }) => {
    const who = await session(context.client, location.href);
    throw redirect({
      to: '/t/$tenant/detections',
      params: { tenant: who.tenantName },
      search: { sel: params.id },
      replace: true,
    });
  },
});

async function session(client: QueryClient, next: string) {
  try {
    return await client.ensureQueryData(reads.who());
  } catch (error) {
    if (isSignedOut(error)) throw redirect({ to: '/sign-in', search: { next: next === '/' ? undefined : next } });
    throw error;
  }
}

const tenant = createRoute({
  getParentRoute: () => root,
  path: '/t/$tenant',
  beforeLoad: async ({ context, location, params }) => {
    const who = await session(context.client, location.href);
    // What a session shows is its own tenant's; an address that names another would lie about it.
    if (params.tenant !== who.tenantName) throw notFound({ routeId: rootRouteId });
  },
  notFoundComponent: NotFound,
  component: Shell,
});

const home = createRoute({
  getParentRoute: () => tenant,
  path: '/home',
  component: lazyRouteComponent(() => import('../features/home/page'), 'HomePage'),
});
const queue = createRoute({
  getParentRoute: () => tenant,
  path: '/detections',
  validateSearch: (s: Record<string, unknown>): { q?: string; severity?: string; sel?: string } => ({
    q: str(s.q),
    severity: str(s.severity),
    sel: str(s.sel),
  }),
  component: lazyRouteComponent(() => import('../features/queue/page'), 'QueuePage'),
});
const incidents = createRoute({
  getParentRoute: () => tenant,
  path: '/incidents',
  validateSearch: (
    s: Record<string, unknown>,
  ): { q?: string; state?: string; severity?: string; order?: string; sel?: string } => ({
    q: str(s.q),
    state: str(s.state),
    severity: str(s.severity),
    order: str(s.order),
    sel: str(s.sel),
  }),
  component: lazyRouteComponent(() => import('../features/incident/list-page'), 'IncidentsPage'),
});
const incident = createRoute({
  getParentRoute: () => tenant,
  path: '/incidents/$id',
  validateSearch: (s: Record<string, unknown>): { sel?: string; cite?: string; ev?: string; view?: string } => ({
    sel: str(s.sel),
    cite: str(s.cite),
    ev: str(s.ev),
    view: str(s.view),
  }),
  component: lazyRouteComponent(() => import('../features/incident/page'), 'IncidentPage'),
});
const hosts = createRoute({
  getParentRoute: () => tenant,
  path: '/hosts',
  validateSearch: (s: Record<string, unknown>): { sel?: string } => ({ sel: str(s.sel) }),
  component: lazyRouteComponent(() => import('../features/hosts/page'), 'HostsPage'),
});
const events = createRoute({
  getParentRoute: () => tenant,
  path: '/events',
  validateSearch: (s: Record<string, unknown>): { kind?: string; host?: string; sel?: string } => ({
    kind: str(s.kind),
    host: str(s.host),
    sel: str(s.sel),
  }),
  component: lazyRouteComponent(() => import('../features/events/page'), 'EventsPage'),
});
const rules = createRoute({
  getParentRoute: () => tenant,
  path: '/rules',
  component: lazyRouteComponent(() => import('../features/rules/page'), 'RulesPage'),
});
const response = createRoute({
  getParentRoute: () => tenant,
  path: '/response',
  component: lazyRouteComponent(() => import('../features/response/page'), 'ResponsePage'),
});
const store = createRoute({
  getParentRoute: () => tenant,
  path: '/store',
  component: lazyRouteComponent(() => import('../features/store/page'), 'StorePage'),
});

const tree = root.addChildren([
  signInRoute,
  index,
  ...short,
  shortHost,
  shortDetection,
  tenant.addChildren([home, queue, incidents, incident, hosts, events, rules, response, store]),
]);

export function makeRouter(client: QueryClient) {
  return createRouter({ routeTree: tree, context: { client }, defaultPreload: 'intent' });
}

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof makeRouter>;
  }
}
