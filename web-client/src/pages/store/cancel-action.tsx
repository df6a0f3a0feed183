import { Button, Text } from '@mantine/core';
import { IconPlayerStop } from '@tabler/icons-react';
import { useApi } from '@/api/api';
import { storeKeys } from '@/api/queries';
import { type Operation, OperationKind } from '@/gen/storeplane/v1/operation_pb';
import { type Store, StoreState } from '@/gen/storeplane/v1/store_pb';
import { ConfirmDialog } from '@/ui/confirm-dialog';
import { RequestProblem } from '@/ui/request-problem';
import { useDialogRequest } from '@/ui/use-dialog-request';

/** Cancels the running operation, after a confirmation that names what is removed. */
export function CancelAction({ store, running }: { store: Store; running: Operation | undefined }) {
  const { clients } = useApi();
  const { storeId, uid, operation, state, readyTime } = store;
  const cancel = useDialogRequest(storeKeys(storeId), (requestId, signal) =>
    clients.operations.cancelOperation({ operationId: operation, storeUid: uid, requestId }, { signal }),
  );
  const isRunning = state === StoreState.PROVISIONING || state === StoreState.UPDATING;
  const isRequested = cancel.data?.operationId === operation;
  return (
    <>
      {isRunning && (
        <Button
          variant="default"
          leftSection={<IconPlayerStop size={16} aria-hidden />}
          disabled={isRequested}
          onClick={cancel.open}
        >
          {isRequested ? 'Cancelling…' : 'Cancel'}
        </Button>
      )}
      <ConfirmDialog
        {...cancel.dialog}
        title={readyTime ? 'Cancel this operation?' : 'Cancel the creation?'}
        action={readyTime ? 'Cancel operation' : 'Cancel creation'}
        dismiss="Keep running"
        color="red"
      >
        <Text size="sm">{effect(readyTime !== undefined, running?.kind)}</Text>
        <RequestProblem title="The operation was not cancelled" error={cancel.error} />
      </ConfirmDialog>
    </>
  );
}

/** What becomes of the shop. */
function effect(wasReady: boolean, kind: OperationKind | undefined): string {
  if (kind === OperationKind.UPDATE)
    return 'The update stops, and the shop gets its previous chart and settings again.';
  if (kind === OperationKind.ROLLBACK)
    return 'The rollback stops, and the shop gets its previous chart, settings and data again.';
  if (wasReady) return 'The operation stops. Nothing is removed, since this shop was ready before.';
  return 'Everything created so far is removed: the release, and the namespace with its volumes and Secrets. This also applies to stores that keep their resources on failure.';
}
