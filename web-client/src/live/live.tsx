import { useQueryClient } from '@tanstack/react-query';
import { createContext, type ReactNode, use, useEffect, useState, useSyncExternalStore } from 'react';
import { useApi } from '@/api/api';
import type { StoreEvent } from '@/gen/storeplane/v1/event_pb';
import { session } from '@/session/session';
import { CacheFeed } from './cache';
import { type Connection, type Place, watchStores } from './watch';

/** Events that come within a frame are shown together. */
const GATHER_MS = 16;
/** A page that nobody looks at lets go of its connection: a browser has six of them for a server. */
const HIDDEN_MS = 60_000;
/** After that long, asking anew is cheaper than hearing all that happened. */
const STALE_MS = 600_000;

const Context = createContext<Connection>('connecting');

/** How the page's one watch is doing. */
export function useConnection(): Connection {
  return use(Context);
}

/** Runs the page's one watch while somebody is signed in and looks. */
export function LiveProvider({ children }: { children: ReactNode }) {
  const { clients } = useApi();
  const queryClient = useQueryClient();
  const token = useSyncExternalStore(session.subscribe, session.token);
  const [connection, setConnection] = useState<Connection>('connecting');

  useEffect(() => {
    if (!token) return;
    setConnection('connecting');
    const feed = new CacheFeed(queryClient);
    const place: Place = { cursor: '' };
    let gathered: StoreEvent[] = [];
    let gathering: ReturnType<typeof setTimeout> | undefined;
    const flush = () => {
      gathering = undefined;
      const events = gathered;
      gathered = [];
      feed.apply(events);
    };
    const handlers = {
      onEvent(event: StoreEvent) {
        gathered.push(event);
        gathering ??= setTimeout(flush, GATHER_MS);
      },
      onFresh: () => feed.refreshAll(),
      onRefused: () => session.expire(token),
      onConnection(next: Connection) {
        // A restarted server may be a new one, which the overview tells.
        if (next === 'live') void queryClient.invalidateQueries({ queryKey: ['overview'] });
        setConnection(next);
      },
    };
    const stopWatching = whileLookedAt((signal, hiddenMs) => {
      if (hiddenMs > STALE_MS) place.cursor = '';
      void watchStores(clients.stores, place, handlers, signal);
    });
    return () => {
      stopWatching();
      clearTimeout(gathering);
      feed.stop();
    };
  }, [token, clients, queryClient]);

  return <Context value={connection}>{children}</Context>;
}

/** Runs something while the page is visible, and for a while after it was hidden. */
function whileLookedAt(start: (signal: AbortSignal, hiddenMs: number) => void): () => void {
  let running: AbortController | undefined;
  let hiddenSince = Date.now();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const stop = () => {
    running?.abort();
    running = undefined;
  };
  const look = () => {
    clearTimeout(timer);
    if (document.hidden) {
      hiddenSince = Date.now();
      timer = setTimeout(stop, HIDDEN_MS);
    } else if (!running) {
      running = new AbortController();
      start(running.signal, Date.now() - hiddenSince);
    }
  };
  document.addEventListener('visibilitychange', look);
  look();
  return () => {
    document.removeEventListener('visibilitychange', look);
    clearTimeout(timer);
    stop();
  };
}
