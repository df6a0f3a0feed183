import { type Operation, OperationKind } from '@/gen/storeplane/v1/operation_pb';
import { type Store, StoreState } from '@/gen/storeplane/v1/store_pb';

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

/** All need a shop that runs, and nothing else in progress. */
function storeRefusal({ state }: Pick<Store, 'state'>, running: Operation | undefined, what: string) {
  if (running?.kind === OperationKind.BACKUP) return 'A backup is in progress.';
  if (running?.kind === OperationKind.RESTORE) return 'A restore is in progress.';
  if (state !== StoreState.READY && state !== StoreState.DEGRADED) {
    return `Only a store that is ready or degraded can be ${what}.`;
  }
  return running && 'Another operation is in progress.';
}
