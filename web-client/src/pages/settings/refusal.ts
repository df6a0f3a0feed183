import type { Operation } from '@/gen/storeplane/v1/operation_pb';
import type { Store } from '@/gen/storeplane/v1/store_pb';
import { storeRefusal } from '../store/store-refusal';

/** Why UpdateStore cannot change the settings now; undefined if it can. */
export function editRefusal(
  store: Pick<Store, 'state'>,
  running: Operation | undefined,
  canEdit: boolean,
): string | undefined {
  if (!canEdit) return 'Your role does not permit changes: operators and admins edit stores.';
  return storeRefusal(store, running, 'edited');
}

/** Why RollbackStore is not possible now; undefined if it is. */
export function rollBackRefusal(
  store: Pick<Store, 'state'>,
  running: Operation | undefined,
  canEdit: boolean,
): string | undefined {
  if (!canEdit) return 'Your role does not permit rollbacks: operators and admins roll stores back.';
  return storeRefusal(store, running, 'rolled back');
}
