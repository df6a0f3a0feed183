import { useQueryClient } from '@tanstack/react-query';
import { createContext, type ReactNode, use, useEffect, useState, useSyncExternalStore } from 'react';
import { useApi } from '@/api/api';
import { serverNow } from '@/api/server-clock';
import { session, useSessionStatus } from '@/session/session';
import { CacheFeed, type StoreUpdate } from './cache';
import type { Connection } from './stream';
import { type WatchPosition, watchStores } from './watch';
import { whileVisible } from './while-visible';

/** Events that arrive within a frame are rendered together. */
const BATCH_MS = 16;
/** Beyond this, refetching is cheaper than replaying the events. */
const STALE_MS = 600_000;

interface Live {
  connection: Connection;
  /** When the connection was lost, by the server's clock. */
  lostAt: number | undefined;
}

const Context = createContext<Live>({ connection: 'connecting', lostAt: undefined });

/** The state of the page's watch. */
export function useLive(): Live {
  return use(Context);
}

/** Runs the page's watch while somebody is signed in and the page is visible. */
export function LiveProvider({ children }: { children: ReactNode }) {
  const { clients } = useApi();
  const queryClient = useQueryClient();
  const generation = useSyncExternalStore(session.subscribe, session.generation);
  const isSignedIn = useSessionStatus() === 'in';
  const [live, setLive] = useState<Live>({ connection: 'connecting', lostAt: undefined });

  useEffect(() => {
    if (!isSignedIn) return;
    setLive({ connection: 'connecting', lostAt: undefined });
    const feed = new CacheFeed(queryClient);
    const position: WatchPosition = { cursor: '' };
    let batch: StoreUpdate[] = [];
    let timer: ReturnType<typeof setTimeout> | undefined;
    const flush = () => {
      timer = undefined;
      const updates = batch;
      batch = [];
      feed.apply(updates);
    };
    const stopWatching = whileVisible((signal, hiddenMs) => {
      if (hiddenMs > STALE_MS) position.cursor = '';
      const handlers = {
        onEvent(event: StoreUpdate['event'], store: StoreUpdate['store']) {
          batch.push({ event, store });
          timer ??= setTimeout(flush, BATCH_MS);
        },
        onRestart: () => feed.refreshAll(),
        onUnauthenticated: () => session.expire(generation),
        onConnection(connection: Connection) {
          if (connection === 'live') {
            // A restarted server may be another version, which the overview reports.
            void queryClient.invalidateQueries({ queryKey: ['overview'] });
            feed.refreshFailed();
          }
          setLive((before) => ({
            connection,
            lostAt: connection === 'live' ? undefined : (before.lostAt ?? serverNow()),
          }));
        },
      };
      void watchStores(clients.stores, position, handlers, signal);
    });
    return () => {
      stopWatching();
      clearTimeout(timer);
      feed.stop();
    };
  }, [isSignedIn, generation, clients, queryClient]);

  return <Context value={live}>{children}</Context>;
}
