import { Code, ConnectError } from '@connectrpc/connect';
import { skipToken, useQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useState, useSyncExternalStore } from 'react';
import { useApi } from '@/api/api';
import { useLive } from '@/live/live';
import { UNWATCHED, type WatchedRollout, watchRollout } from '@/live/rollout';
import { Throttle } from '@/live/throttle';
import { whileVisible } from '@/live/while-visible';
import { session, useSessionStatus } from '@/session/session';
import { useLasting } from '@/ui/use-lasting';

/** Changes within this time are rendered together: a rollout may have thousands of stores. */
const RENDER_MS = 100;

interface Failure {
  error: ConnectError;
  /** When the watch was lost, by the browser's clock. */
  since: number;
  /** The server refused it: it is not tried again. */
  isFinal: boolean;
}

/**
 * Watches a rollout while the page is visible. What was received stays in the query cache, so that the watch resumes there
 * when the page is opened again. `query` is why it is not live, for a `QueryProblem`.
 */
export function useRollout(rolloutId: string) {
  const { clients } = useApi();
  const queryClient = useQueryClient();
  const generation = useSyncExternalStore(session.subscribe, session.generation);
  const isSignedIn = useSessionStatus() === 'in';
  const [attempt, setAttempt] = useState(0);
  const [failure, setFailure] = useState<Failure>();
  const { data } = useQuery<WatchedRollout>({ queryKey: keyOf(rolloutId), queryFn: skipToken });

  // biome-ignore lint/correctness/useExhaustiveDependencies: each attempt is another watch
  useEffect(() => {
    if (!isSignedIn) return;
    setFailure(undefined);
    let known = queryClient.getQueryData<WatchedRollout>(keyOf(rolloutId)) ?? UNWATCHED;
    const publish = () => queryClient.setQueryData(keyOf(rolloutId), known);
    const throttle = new Throttle(RENDER_MS, publish);
    const handlers = {
      onChange(watched: WatchedRollout) {
        known = watched;
        throttle.request();
      },
      onConnection(connection: string, error = new ConnectError('the watch ended', Code.Unavailable)) {
        const lost = { error, since: Date.now(), isFinal: false };
        setFailure((before) => (connection === 'live' ? undefined : (before ?? lost)));
      },
      onUnauthenticated: () => session.expire(generation),
      onRefused: (error: ConnectError) => setFailure({ error, since: Date.now(), isFinal: true }),
    };
    const stop = whileVisible((signal) => void watchRollout(clients.rollouts, rolloutId, known, handlers, signal));
    return () => {
      stop();
      throttle.stop();
      if (known !== UNWATCHED) publish();
    };
  }, [clients, queryClient, rolloutId, isSignedIn, generation, attempt]);

  const isShort = !useLasting(failure !== undefined) && !failure?.isFinal;
  // The page reports a lost connection to the server by itself.
  const isReported = useLive().connection === 'lost' && data !== undefined;
  const shown = isShort || (isReported && !failure?.isFinal) ? undefined : failure;
  const refetch = useCallback(() => setAttempt((before) => before + 1), []);
  return {
    data,
    query: {
      error: shown?.error,
      data: shown?.isFinal ? undefined : data?.rollout,
      dataUpdatedAt: shown?.since ?? 0,
      isPlaceholderData: false,
      refetch,
    },
  };
}

const keyOf = (rolloutId: string) => ['rollout', rolloutId];
