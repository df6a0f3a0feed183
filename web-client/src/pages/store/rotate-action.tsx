import { Button, Text } from '@mantine/core';
import { IconRotateClockwise } from '@tabler/icons-react';
import { useApi } from '@/api/api';
import { storeKeys } from '@/api/queries';
import { type Store, StoreState } from '@/gen/storeplane/v1/store_pb';
import { ConfirmDialog } from '@/ui/confirm-dialog';
import { RequestProblem } from '@/ui/request-problem';
import { useDialogRequest } from '@/ui/use-dialog-request';

/** Replaces a store's credentials, after a confirmation that says what follows. Not offered while a backup runs. */
export function RotateAction({ store, isBusy }: { store: Store; isBusy: boolean }) {
  const { clients } = useApi();
  const { storeId, uid, etag, state } = store;
  const rotation = useDialogRequest(storeKeys(storeId), (requestId, signal) =>
    clients.stores.rotateStoreCredentials({ storeId, uid, etag, requestId }, { signal }),
  );
  const isOffered = !isBusy && (state === StoreState.READY || state === StoreState.DEGRADED);
  return (
    <>
      {isOffered && (
        <Button
          mt="sm"
          ml="xs"
          size="xs"
          variant="default"
          leftSection={<IconRotateClockwise size={16} aria-hidden />}
          onClick={rotation.open}
        >
          Rotate credentials
        </Button>
      )}
      <ConfirmDialog {...rotation.dialog} title="Rotate the credentials?" action="Rotate credentials">
        <Text size="sm">
          The administrator's password, the database's passwords and the salts of cookies are replaced. The shop
          restarts once, everybody who is signed in to it is signed out, and the carts of visitors are emptied. User
          names are kept.
        </Text>
        <RequestProblem title="The credentials were not rotated" error={rotation.error} />
      </ConfirmDialog>
    </>
  );
}
