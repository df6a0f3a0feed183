import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { keepPreviousData, queryOptions } from '@tanstack/react-query';
import type { CleanupPolicy, Store } from '@/gen/storeplane/v1/store_pb';
import type { Clients } from './clients';

export interface StoresPage {
  filter: string;
  orderBy: string;
  pageSize: number;
  pageToken: string;
}

export interface AuditPage {
  filter: string;
  pageToken: string;
}

export const AUDIT_PAGE_SIZE = 50;
/** Whose window the layout asks for too: it reads who calls and which version answers. */
export const DEFAULT_WINDOW_HOURS = 24;

/** Everything that is read, each under its key. */
export function createQueries(clients: Clients) {
  return {
    overview: (hours: number) =>
      queryOptions({
        queryKey: ['overview', hours],
        queryFn: ({ signal }) =>
          clients.platform.getOverview({ window: durationFromMs(hours * 3_600_000) }, { signal }),
        placeholderData: keepPreviousData,
      }),
    engines: () =>
      queryOptions({
        queryKey: ['engines'],
        queryFn: ({ signal }) => clients.platform.listEngines({}, { signal }),
        staleTime: Number.POSITIVE_INFINITY,
      }),
    stores: (page: StoresPage) =>
      queryOptions({
        queryKey: ['stores', page],
        queryFn: ({ signal }) => clients.stores.listStores(page, { signal }),
        placeholderData: keepPreviousData,
      }),
    store: (storeId: string, uid: string) =>
      queryOptions({
        queryKey: ['store', storeId, uid],
        queryFn: ({ signal }) => clients.stores.getStore({ storeId, uid }, { signal }),
      }),
    operations: (storeId: string) =>
      queryOptions({
        queryKey: ['operations', storeId],
        queryFn: ({ signal }) => clients.operations.listOperations({ storeId, pageSize: 50 }, { signal }),
      }),
    audit: (page: AuditPage) =>
      queryOptions({
        queryKey: ['audit', page],
        queryFn: ({ signal }) => clients.audit.listAuditEvents({ ...page, pageSize: AUDIT_PAGE_SIZE }, { signal }),
        placeholderData: keepPreviousData,
      }),
    /** What the server says of a request that it shall only check. */
    check: ({ store, ...request }: { storeId: string; store: Store; cleanupPolicy: CleanupPolicy }) =>
      queryOptions({
        queryKey: ['check', request, store.displayName, store.engine, store.plan, store.adminEmail],
        queryFn: ({ signal }) => clients.stores.createStore({ ...request, store, validateOnly: true }, { signal }),
        gcTime: 0,
        staleTime: 0,
        retry: false,
      }),
  };
}

export type Queries = ReturnType<typeof createQueries>;
