import { notifyManager, type QueryClient } from '@tanstack/react-query';
import { BACKUPS, DOMAINS } from '@/api/queries';
import type { StoreEvent } from '@/gen/storeplane/v1/event_pb';
import type { Overview } from '@/gen/storeplane/v1/platform_pb';
import type { Store } from '@/gen/storeplane/v1/store_pb';
import type { ListStoresResponse } from '@/gen/storeplane/v1/store_service_pb';
import { patchStore } from './patch';
import { Throttle } from './throttle';
import { hasGap, merge, type Timeline } from './timeline';

/** As many as GetOverview returns. */
const RECENT_EVENTS = 20;

/** Event types that come with an audit record. */
const AUDITED = new Set(['STATE_CHANGED', 'CANCEL_REQUESTED', 'RELEASE_REPAIRED', 'BACKUP_REQUESTED']);

/** Event types by which a list of backups changes: progress does not, and a restore begins a backup of the present data. */
const BACKUP_EVENTS = /^(BACKUP_(?!PROGRESS$)|RESTORE_REQUESTED$)/;

/** Minimum time between two requests for the same data. */
const STORE_MS = 400;
const BACKUPS_MS = 400;
const RESOURCES_MS = 1000;
const LIST_MS = 1500;

/** An event, with the store where the server sent it along. */
export interface StoreUpdate {
  event: StoreEvent;
  store: Store | undefined;
}

/** Applies watch events to the query cache: patches what they contain immediately, and refetches the rest at a bounded rate. */
export class CacheFeed {
  readonly #client: QueryClient;
  readonly #throttles = new Map<string, Throttle>();

  constructor(client: QueryClient) {
    this.#client = client;
  }

  apply(updates: StoreUpdate[]): void {
    const events = updates.map(({ event }) => event);
    notifyManager.batch(() => {
      this.#patchStores(updates);
      this.#patchTimelines(events);
      this.#patchOverviews(events);
    });
    for (const id of new Set(events.map((event) => event.storeId))) {
      this.#refresh(['store', id], STORE_MS);
      this.#refresh(['operations', id], STORE_MS);
      this.#refresh(['resources', id], RESOURCES_MS);
    }
    this.#refresh(['overview'], LIST_MS);
    // A state change moves a store in or out of a list, and the rows show a condition.
    if (events.some(({ type }) => type === 'STATE_CHANGED' || type === 'CONDITION_CHANGED'))
      this.#refresh(['stores'], LIST_MS);
    if (events.some(({ type }) => BACKUP_EVENTS.test(type))) this.#refresh(BACKUPS, BACKUPS_MS);
    if (events.some(({ type }) => type.startsWith('DOMAIN_'))) this.#refresh(DOMAINS, STORE_MS);
    if (events.some((event) => AUDITED.has(event.type))) this.#refresh(['audit'], LIST_MS);
  }

  /** Refetches everything: events may have been missed. */
  refreshAll(): void {
    void this.#client.invalidateQueries({ predicate: (query) => query.queryKey[0] !== 'check' });
  }

  /** Refetches what failed while the server could not be reached. */
  refreshFailed(): void {
    void this.#client.refetchQueries({ predicate: ({ state }) => state.status === 'error' || state.error !== null });
  }

  stop(): void {
    for (const throttle of this.#throttles.values()) throttle.stop();
    this.#throttles.clear();
  }

  #patchStores(updates: StoreUpdate[]): void {
    const byUid = Map.groupBy(updates, ({ event }) => event.uid);
    const patched = (store: Store) => (byUid.get(store.uid) ?? []).reduce(patch, store);
    for (const id of new Set(updates.map(({ event }) => event.storeId))) {
      this.#client.setQueriesData<Store>({ queryKey: ['store', id] }, (store) => store && patched(store));
    }
    this.#client.setQueriesData<ListStoresResponse>({ queryKey: ['stores'] }, (page) => {
      if (!page?.stores.some((store) => byUid.has(store.uid))) return page;
      return { ...page, stores: page.stores.map(patched) };
    });
  }

  #patchTimelines(events: StoreEvent[]): void {
    for (const [uid, more] of Map.groupBy(events, (event) => event.uid)) {
      const key = ['timeline', uid];
      const timeline = this.#client.getQueryData<Timeline>(key);
      if (!timeline) continue;
      const merged = merge(timeline.events, more);
      this.#client.setQueryData<Timeline>(key, { ...timeline, events: merged });
      if (hasGap(merged)) this.#refresh(key, 0);
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
    throttle.request();
  }
}

/** The server's store if it was sent along and is newer than the cached one, otherwise what the event contains. */
function patch(cached: Store, { event, store }: StoreUpdate): Store {
  return store && store.uid === cached.uid && store.lastSequence > cached.lastSequence
    ? store
    : patchStore(cached, event);
}

function identity(event: StoreEvent): string {
  return `${event.uid} ${event.sequence}`;
}
