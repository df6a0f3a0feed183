import { reasonTitle, stepTitle } from '@/format/words';
import { type Store, StoreState } from '@/gen/storeplane/v1/store_pb';

/** A store's page. A deleted store is addressed by its uid: another store may have its ID by now. */
export function storeLink({ storeId, uid, state }: Store) {
  return {
    to: '/stores/$storeId',
    params: { storeId },
    search: state === StoreState.DELETED ? { uid } : {},
  } as const;
}

/** Why a store is in its state, or which step is running. */
export function storeNote({ reason, step }: Store): string {
  if (reason) return reasonTitle(reason);
  return step && stepTitle(step);
}
