import { create } from '@bufbuild/protobuf';
import type { CopyRequest } from '@/api/queries';
import type { Backup } from '@/gen/storeplane/v1/backup_service_pb';
import { type Store, StoreEnvironment, StoreSchema } from '@/gen/storeplane/v1/store_pb';

/** What is copied: a store as it is or, with `backup`, as it was then. */
export interface CopyOrigin {
  storeId: string;
  storeUid: string;
  backup?: Backup;
}

/** The dialog's input. What is null, or an empty plan, is still as the source suggests. */
export interface CopyDraft {
  displayName: string | null;
  storeId: string;
  plan: string;
  adminEmail: string | null;
  environment: StoreEnvironment;
}

export const EMPTY: CopyDraft = {
  displayName: null,
  storeId: '',
  plan: '',
  adminEmail: null,
  environment: StoreEnvironment.STAGING,
};

/** The values that the dialog shows: those of the source, until somebody types others. */
export function shownOf(draft: CopyDraft, source: Store | undefined) {
  return {
    displayName: draft.displayName ?? (source ? `${source.displayName} (copy)` : ''),
    plan: draft.plan || (source?.plan ?? ''),
    adminEmail: draft.adminEmail ?? source?.adminEmail ?? '',
  };
}

/** The request for a draft; the server fills in what is empty. `generatedId` is used where the draft has no ID. */
export function requestOf(origin: CopyOrigin, draft: CopyDraft, generatedId = ''): CopyRequest {
  const { displayName, plan, adminEmail, environment } = draft;
  return {
    sourceStoreId: origin.storeId,
    sourceUid: origin.storeUid,
    backupId: origin.backup?.backupId ?? '',
    storeId: draft.storeId.trim() || generatedId,
    store: create(StoreSchema, {
      displayName: displayName?.trim() ?? '',
      plan,
      adminEmail: adminEmail?.trim() ?? '',
      environment,
    }),
  };
}

/** Fields of the request that the dialog shows. */
export const FIELDS = ['store.display_name', 'store_id', 'store.plan', 'store.admin_email', 'store.environment'];
