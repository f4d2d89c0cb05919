import { useQueryClient } from '@tanstack/react-query';
import { createContext, type ReactNode, useContext, useEffect, useState } from 'react';
import { api, isSignedOut } from '../api/client';
import { staleBy } from '../api/reads';

interface Live {
  /** connecting, live or lost */
  state: 'connecting' | 'live' | 'lost';
  /** when the server was last heard, ms */
  heard: number;
}
const Context = createContext<Live>({ state: 'connecting', heard: 0 });

const channelName = 'yagura-live';
const quiet = 25_000; // the server says "alive" every 10 s

/** What one tab hears, all tabs hear: a browser has six connections to a server, and each page would take one. */
export function LiveProvider({ children }: { children: ReactNode }) {
  const client = useQueryClient();
  const [live, setLive] = useState<Live>({ state: 'connecting', heard: Date.now() });

  useEffect(() => {
    const stop = new AbortController();
    const channel = new BroadcastChannel(channelName);
    let heard = Date.now();
    const hear = (what: string) => {
      heard = Date.now();
      setLive({ state: 'live', heard });
      for (const key of staleBy[what] ?? []) void client.invalidateQueries({ queryKey: [key] });
    };
    channel.onmessage = (m: MessageEvent<unknown>) => {
      if (typeof m.data === 'string') hear(m.data);
    };
    const lead = async () => {
      let wait = 500;
      while (!stop.signal.aborted) {
        try {
          for await (const change of api.watch({}, { signal: stop.signal })) {
            if (wait > 500) for (const key of Object.keys(staleBy)) hear(key); // what changed while we were away
            wait = 500;
            hear(change.what);
            channel.postMessage(change.what);
          }
        } catch (error) {
          if (isSignedOut(error)) void client.invalidateQueries({ queryKey: ['who'] });
          else if (wait > 500 && !stop.signal.aborted) setLive((l) => ({ ...l, state: 'lost' })); // the second try failed too
        }
        await new Promise((go) => setTimeout(go, wait));
        wait = Math.min(wait * 2, 8000);
      }
    };
    navigator.locks.request(channelName, { signal: stop.signal }, lead).catch(() => undefined); // aborted: the page closes
    const timer = setInterval(() => {
      if (Date.now() - heard > quiet) {
        setLive((l) => ({ ...l, state: 'lost' }));
        void client.invalidateQueries({ predicate: (q) => q.queryKey[0] !== 'who' });
      }
    }, 5000);
    return () => {
      stop.abort();
      clearInterval(timer);
      channel.close();
    };
  }, [client]);

  return <Context.Provider value={live}>{children}</Context.Provider>;
}

export function useLive(): Live {
  return useContext(Context);
}
