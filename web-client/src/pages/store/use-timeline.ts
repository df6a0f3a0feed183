import { Code, ConnectError } from '@connectrpc/connect';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useApi } from '@/api/api';
import type { Store } from '@/gen/storeplane/v1/store_pb';
import { merge, RECENT, replay, type Timeline, unbroken } from '@/live/timeline';

/** What happened to a store. The page's watch adds what happens; what it cannot have seen is replayed. */
export function useTimeline(store: Store | undefined) {
  const { clients } = useApi();
  const queryClient = useQueryClient();
  const queryKey = ['timeline', store?.uid ?? ''];
  const query = useQuery({
    queryKey,
    enabled: store !== undefined,
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: async ({ signal }): Promise<Timeline> => {
      if (!store) return { events: [], whole: true };
      const known = queryClient.getQueryData<Timeline>(queryKey);
      const begin = store.lastSequence > RECENT ? store.lastSequence - RECENT : 0n;
      const after = known ? unbroken(known.events) : begin;
      const more = await replay(clients.stores, store, after, signal).catch((error) => {
        // Retention took what lies between: then all that is kept.
        if (ConnectError.from(error).code !== Code.OutOfRange) throw error;
        return replay(clients.stores, store, 0n, signal);
      });
      // The watch may have added some meanwhile.
      const now = queryClient.getQueryData<Timeline>(queryKey) ?? known;
      return { events: merge(now?.events ?? [], more), whole: known?.whole ?? begin === 0n };
    },
  });
  const showAll = async () => {
    if (!store) return;
    const all = await replay(clients.stores, store, 0n, new AbortController().signal);
    queryClient.setQueryData<Timeline>(queryKey, (now) => ({ events: merge(all, now?.events ?? []), whole: true }));
  };
  return { ...query, showAll };
}
