import { QueryCache, QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { isNotFound, isSignedOut } from './api/client';
import { login } from './api/login';
import { makeRouter } from './app/router';
import { applyTheme } from './app/theme';
import { LanguageProvider } from './i18n/language';
import { KeysProvider } from './keys/keys';
import './styles.css';
import { ZoneProvider } from './ui/time';

applyTheme();

const leave = () => {
  if (location.pathname === '/sign-in') return;
  const next = location.pathname + location.search;
  client.clear();
  void router.navigate({ to: '/sign-in', search: { next } });
};
const client = new QueryClient({
  queryCache: new QueryCache({
    onError: (error) => {
      if (isSignedOut(error)) leave();
    },
  }),
  defaultOptions: {
    queries: {
      retry: (count, error) => count < 2 && !isSignedOut(error) && !isNotFound(error),
      retryDelay: (count) => 300 * 2 ** count,
      staleTime: 1000,
      refetchOnWindowFocus: true,
    },
  },
});
const router = makeRouter(client);

// Another tab signed out, or in as somebody: what is shown here is theirs now. A form that is being filled stays.
login.watch((signedIn) => {
  if (signedIn) void client.invalidateQueries();
  else leave();
});

const root = document.getElementById('root');
if (root) {
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={client}>
        <LanguageProvider>
          <ZoneProvider>
            <KeysProvider>
              <RouterProvider router={router} />
            </KeysProvider>
          </ZoneProvider>
        </LanguageProvider>
      </QueryClientProvider>
    </StrictMode>,
  );
}
