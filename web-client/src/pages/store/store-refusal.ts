import { type Operation, OperationKind } from '@/gen/storeplane/v1/operation_pb';
import { type Store, StoreState } from '@/gen/storeplane/v1/store_pb';

/** Why something that needs a shop that runs, and nothing else in progress, is not possible now; undefined if it is. */
export function storeRefusal(
  { state }: Pick<Store, 'state'>,
  running: Operation | undefined,
  what: string,
): string | undefined {
  if (running?.kind === OperationKind.BACKUP) return 'A backup is in progress.';
  if (running?.kind === OperationKind.RESTORE) return 'A restore is in progress.';
  if (running?.kind === OperationKind.UPDATE) return 'An update is in progress.';
  if (running?.kind === OperationKind.ROLLBACK) return 'A rollback is in progress.';
  if (state !== StoreState.READY && state !== StoreState.DEGRADED) {
    return `Only a store that is ready or degraded can be ${what}.`;
  }
  return running && 'Another operation is in progress.';
}
