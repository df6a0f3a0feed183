import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { keepPreviousData, queryOptions } from '@tanstack/react-query';
import { BackupState, type ListBackupsResponse, RestoreTestState } from '@/gen/storeplane/v1/backup_service_pb';
import type { ListRolloutsResponse, Rollout } from '@/gen/storeplane/v1/rollout_service_pb';
import type { CleanupPolicy, Store } from '@/gen/storeplane/v1/store_pb';
import type { Clients } from './clients';
import { isTransient } from './problem';
import { isOpen } from './rollout-state';

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

export interface BackupsPage {
  /** Empty for all stores. */
  storeId: string;
  filter: string;
  pageSize: number;
  pageToken: string;
}

export interface TokensPage {
  showInactive: boolean;
  pageToken: string;
}

export interface ReleasesPage {
  filter: string;
  pageToken: string;
}

/** Which store; `uid` insists on one of several that had the same ID. */
export interface StoreKey {
  storeId: string;
  uid: string;
}

/** What is copied, and the copy. */
export interface CopyRequest {
  sourceStoreId: string;
  sourceUid: string;
  /** Empty for the store as it is. */
  backupId: string;
  /** Empty: the server generates one. */
  storeId: string;
  store: Store;
}

export const AUDIT_PAGE_SIZE = 50;
export const BACKUPS_PAGE_SIZE = 50;
export const ROLLOUTS_PAGE_SIZE = 50;
/** On the page of a store. */
export const STORE_BACKUPS_PAGE_SIZE = 10;
export const RELEASES_PAGE_SIZE = 50;
export const TENANTS_PAGE_SIZE = 50;
export const TOKENS_PAGE_SIZE = 50;
export const SESSIONS_PAGE_SIZE = 50;
/** The layout reads this window too, for the caller and the server's version. */
export const DEFAULT_WINDOW_HOURS = 24;
/** Restarts and volume changes make no store event, so resources are also read at this interval. */
const RESOURCES_REFETCH_MS = 10_000;

/** No event tells that a backup was removed from the storage or that its test restore ended, so lists with such a backup are also read at this interval. */
const UNANNOUNCED_REFETCH_MS = 10_000;

/** Lists of rollouts have no watch: those with one that may change are also read at this interval. */
const ROLLOUTS_REFETCH_MS = 5_000;

/** Begin of the cache keys of lists that requests change. */
export const BACKUPS = ['backups'];
export const ROLLOUTS = ['rollouts'];
export const TENANTS = ['tenants'];
export const TOKENS = ['tokens'];
export const SESSIONS = ['sessions'];

/** The cache keys of what a request about a store changes. */
export const storeKeys = (storeId: string) => [
  ['store', storeId],
  ['operations', storeId],
];

/** True if a backup will change without an event. */
function changesUnannounced(page: ListBackupsResponse | undefined): boolean {
  const isChanging = (backup: ListBackupsResponse['backups'][number]) =>
    backup.state === BackupState.DELETING || backup.restoreTest?.state === RestoreTestState.RUNNING;
  return page?.backups.some(isChanging) ?? false;
}

function hasOpen(page: ListRolloutsResponse | undefined): boolean {
  return page?.rollouts.some(isOpen) ?? false;
}

/** Every read, with its cache key. */
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
    resources: ({ storeId, uid }: StoreKey) =>
      queryOptions({
        queryKey: ['resources', storeId, uid],
        queryFn: ({ signal }) => clients.stores.getStoreResources({ storeId, uid }, { signal }),
        refetchInterval: RESOURCES_REFETCH_MS,
        retry: false,
      }),
    logs: ({ storeId, uid }: StoreKey, tailLines: number) =>
      queryOptions({
        queryKey: ['logs', storeId, uid, tailLines],
        queryFn: ({ signal }) => clients.stores.getStoreLogs({ storeId, uid, tailLines }, { signal }),
        placeholderData: keepPreviousData,
        staleTime: 0,
        gcTime: 0,
        retry: (failures, error) => failures < 1 && isTransient(error),
      }),
    operations: (storeId: string) =>
      queryOptions({
        queryKey: ['operations', storeId],
        queryFn: ({ signal }) => clients.operations.listOperations({ storeId, pageSize: 50 }, { signal }),
      }),
    /** All that are kept, the newest first. Each new one changes the store's `revision`, and so the cache key. */
    revisions: ({ storeId, uid, revision }: StoreKey & Pick<Store, 'revision'>) =>
      queryOptions({
        queryKey: ['revisions', storeId, uid, revision],
        queryFn: ({ signal }) => clients.stores.listStoreRevisions({ storeId, uid, pageSize: 50 }, { signal }),
        placeholderData: keepPreviousData,
      }),
    backups: (page: BackupsPage) =>
      queryOptions({
        queryKey: [...BACKUPS, page],
        queryFn: ({ signal }) => clients.backups.listBackups(page, { signal }),
        placeholderData: keepPreviousData,
        refetchInterval: ({ state }) => changesUnannounced(state.data) && UNANNOUNCED_REFETCH_MS,
      }),
    backup: (backupId: string) =>
      queryOptions({
        queryKey: ['backup', backupId],
        queryFn: ({ signal }) => clients.backups.getBackup({ backupId }, { signal }),
        retry: false,
      }),
    rollouts: (page: { pageToken: string }) =>
      queryOptions({
        queryKey: [...ROLLOUTS, page],
        queryFn: ({ signal }) => clients.rollouts.listRollouts({ ...page, pageSize: ROLLOUTS_PAGE_SIZE }, { signal }),
        placeholderData: keepPreviousData,
        refetchInterval: ({ state }) => hasOpen(state.data) && ROLLOUTS_REFETCH_MS,
      }),
    audit: (page: AuditPage) =>
      queryOptions({
        queryKey: ['audit', page],
        queryFn: ({ signal }) => clients.audit.listAuditEvents({ ...page, pageSize: AUDIT_PAGE_SIZE }, { signal }),
        placeholderData: keepPreviousData,
      }),
    releases: (page: ReleasesPage) =>
      queryOptions({
        queryKey: ['releases', page],
        queryFn: ({ signal }) => clients.platform.listReleases({ ...page, pageSize: RELEASES_PAGE_SIZE }, { signal }),
        placeholderData: keepPreviousData,
      }),
    tenants: (page: { pageToken: string }) =>
      queryOptions({
        queryKey: [...TENANTS, page],
        queryFn: ({ signal }) => clients.tenants.listTenants({ ...page, pageSize: TENANTS_PAGE_SIZE }, { signal }),
        placeholderData: keepPreviousData,
      }),
    tokens: (page: TokensPage) =>
      queryOptions({
        queryKey: [...TOKENS, page],
        queryFn: ({ signal }) => clients.tokens.listTokens({ ...page, pageSize: TOKENS_PAGE_SIZE }, { signal }),
        placeholderData: keepPreviousData,
      }),
    sessions: (page: { pageToken: string }) =>
      queryOptions({
        queryKey: [...SESSIONS, page],
        queryFn: ({ signal }) => clients.sessions.listSessions({ ...page, pageSize: SESSIONS_PAGE_SIZE }, { signal }),
        placeholderData: keepPreviousData,
      }),
    /** Validates a creation without executing it. */
    check: ({ store, ...request }: { storeId: string; store: Store; cleanupPolicy: CleanupPolicy }) =>
      queryOptions({
        queryKey: ['check', request, store.displayName, store.engine, store.plan, store.adminEmail],
        queryFn: ({ signal }) => clients.stores.createStore({ ...request, store, validateOnly: true }, { signal }),
        gcTime: 0,
        staleTime: 0,
        retry: false,
      }),
    /** Validates a copy without executing it. */
    checkCopy: ({ store, ...request }: CopyRequest) =>
      queryOptions({
        queryKey: ['check', request, store.displayName, store.plan, store.adminEmail, store.environment],
        queryFn: ({ signal }) => clients.stores.copyStore({ ...request, store, validateOnly: true }, { signal }),
        gcTime: 0,
        staleTime: 0,
        retry: false,
      }),
    /** Validates a rollout without starting it. `key` is the draft: a message is no cache key. */
    checkRollout: (key: object, rollout: Rollout) =>
      queryOptions({
        queryKey: ['check', 'rollout', key],
        queryFn: ({ signal }) => clients.rollouts.createRollout({ rollout, validateOnly: true }, { signal }),
        gcTime: 0,
        staleTime: 0,
        retry: false,
      }),
  };
}

export type Queries = ReturnType<typeof createQueries>;
