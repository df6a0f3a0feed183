import type { Operation } from '@/gen/storeplane/v1/operation_pb';
import type { Store } from '@/gen/storeplane/v1/store_pb';
import { storeRefusal } from '../store/store-refusal';

/** Why CreateBackup is not possible now; undefined if it is. */
export function createRefusal(
  store: Pick<Store, 'state'>,
  running: Operation | undefined,
  canEdit: boolean,
): string | undefined {
  if (!canEdit) return 'Your role does not permit backups: operators and admins create them.';
  return storeRefusal(store, running, 'backed up');
}

/** Why RestoreStore is not possible now; undefined if it is. */
export function restoreRefusal(
  store: Pick<Store, 'state'>,
  running: Operation | undefined,
  canEdit: boolean,
): string | undefined {
  if (!canEdit) return 'Your role does not permit restores: operators and admins restore backups.';
  return storeRefusal(store, running, 'restored');
}

/** Why a store cannot be copied as it is now; undefined if it is. */
export function copyRefusal(
  store: Pick<Store, 'state'>,
  running: Operation | undefined,
  canEdit: boolean,
): string | undefined {
  if (!canEdit) return 'Your role does not permit copies: operators and admins copy stores.';
  return storeRefusal(store, running, 'copied');
}
