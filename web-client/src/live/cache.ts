import { notifyManager, type QueryClient } from '@tanstack/react-query';
import type { StoreEvent } from '@/gen/storeplane/v1/event_pb';
import type { Overview } from '@/gen/storeplane/v1/platform_pb';
import type { Store } from '@/gen/storeplane/v1/store_pb';
import type { ListStoresResponse } from '@/gen/storeplane/v1/store_service_pb';
import { patchStore } from './patch';
import { Throttle } from './throttle';
import { hasHole, merge, type Timeline } from './timeline';

/** As many as the server's overview has. */
const RECENT_EVENTS = 20;

/** Events that an audit record goes along with. */
const AUDITED = new Set(['STATE_CHANGED', 'CANCEL_REQUESTED', 'RELEASE_REPAIRED']);

/** Brings events into the query cache: at once as far as they tell, and by asking again, never more often than is of use. */
export class CacheFeed {
  readonly #client: QueryClient;
  readonly #throttles = new Map<string, Throttle>();

  constructor(client: QueryClient) {
    this.#client = client;
  }

  apply(events: StoreEvent[]): void {
    notifyManager.batch(() => {
      this.#patchStores(events);
      this.#patchTimelines(events);
      this.#patchOverviews(events);
    });
    const ids = new Set(events.map((event) => event.storeId));
    for (const id of ids) {
      this.#refresh(['store', id], 400);
      this.#refresh(['operations', id], 400);
    }
    this.#refresh(['overview'], 1500);
    // Which stores a page shows, in which order and how many there are changes with states alone.
    if (events.some((event) => event.type === 'STATE_CHANGED')) this.#refresh(['stores'], 1500);
    if (events.some((event) => AUDITED.has(event.type))) this.#refresh(['audit'], 1500);
  }

  /** Everything may be older than what is true now. */
  refreshAll(): void {
    void this.#client.invalidateQueries({ predicate: (query) => query.queryKey[0] !== 'check' });
  }

  stop(): void {
    for (const throttle of this.#throttles.values()) throttle.stop();
    this.#throttles.clear();
  }

  #patchStores(events: StoreEvent[]): void {
    for (const event of events) {
      this.#client.setQueriesData<Store>({ queryKey: ['store', event.storeId] }, (store) =>
        store ? patchStore(store, event) : store,
      );
    }
    const byUid = Map.groupBy(events, (event) => event.uid);
    this.#client.setQueriesData<ListStoresResponse>({ queryKey: ['stores'] }, (page) => {
      if (!page?.stores.some((store) => byUid.has(store.uid))) return page;
      return { ...page, stores: page.stores.map((store) => (byUid.get(store.uid) ?? []).reduce(patchStore, store)) };
    });
  }

  #patchTimelines(events: StoreEvent[]): void {
    for (const [uid, more] of Map.groupBy(events, (event) => event.uid)) {
      const key = ['timeline', uid];
      const timeline = this.#client.getQueryData<Timeline>(key);
      if (!timeline) continue;
      const merged = merge(timeline.events, more);
      this.#client.setQueryData<Timeline>(key, { ...timeline, events: merged });
      if (hasHole(merged)) this.#refresh(key, 0);
    }
  }

  #patchOverviews(events: StoreEvent[]): void {
    this.#client.setQueriesData<Overview>({ queryKey: ['overview'] }, (overview) => {
      if (!overview) return overview;
      const known = new Set(overview.recentEvents.map(identity));
      const news = events.filter((event) => !known.has(identity(event))).reverse();
      return { ...overview, recentEvents: [...news, ...overview.recentEvents].slice(0, RECENT_EVENTS) };
    });
  }

  #refresh(queryKey: string[], everyMs: number): void {
    const name = queryKey.join(' ');
    let throttle = this.#throttles.get(name);
    if (!throttle) {
      throttle = new Throttle(everyMs, () => {
        this.#throttles.delete(name);
        void this.#client.invalidateQueries({ queryKey });
      });
      this.#throttles.set(name, throttle);
    }
    throttle.ask();
  }
}

function identity(event: StoreEvent): string {
  return `${event.uid} ${event.sequence}`;
}
