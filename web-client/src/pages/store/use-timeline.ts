import { Code, ConnectError } from '@connectrpc/connect';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useApi } from '@/api/api';
import type { Store } from '@/gen/storeplane/v1/store_pb';
import { lastContiguous, merge, RECENT, replay, type Timeline } from '@/live/timeline';

/** A store's events. The page's watch appends new ones; gaps are replayed. */
export function useTimeline(store: Store | undefined) {
  const { clients } = useApi();
  const queryClient = useQueryClient();
  const queryKey = ['timeline', store?.uid ?? ''];
  const query = useQuery({
    queryKey,
    enabled: store !== undefined,
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: async ({ signal }): Promise<Timeline> => {
      if (!store) return { events: [], complete: true };
      const known = queryClient.getQueryData<Timeline>(queryKey);
      const start = store.lastSequence > RECENT ? store.lastSequence - RECENT : 0n;
      const after = known ? lastContiguous(known.events) : start;
      const more = await replay(clients.stores, store, after, signal).catch((error) => {
        // These events are no longer retained: replay what is.
        if (ConnectError.from(error).code !== Code.OutOfRange) throw error;
        return replay(clients.stores, store, 0n, signal);
      });
      // The watch may have appended some meanwhile.
      const now = queryClient.getQueryData<Timeline>(queryKey) ?? known;
      return { events: merge(now?.events ?? [], more), complete: known?.complete ?? start === 0n };
    },
  });
  const loadAll = async () => {
    if (!store) return;
    const all = await replay(clients.stores, store, 0n, new AbortController().signal);
    queryClient.setQueryData<Timeline>(queryKey, (now) => ({ events: merge(all, now?.events ?? []), complete: true }));
  };
  return { ...query, loadAll };
}
