import { Button, Checkbox, Text, Tooltip } from '@mantine/core';
import { IconTrash } from '@tabler/icons-react';
import { useEffect, useState } from 'react';
import { useApi } from '@/api/api';
import { storeKeys } from '@/api/queries';
import { type Store, StoreState } from '@/gen/storeplane/v1/store_pb';
import { ConfirmDialog } from '@/ui/confirm-dialog';
import { RequestProblem } from '@/ui/request-problem';
import { useDialogRequest } from '@/ui/use-dialog-request';

/** States in which the cluster may not answer for the store: it can be deleted by force. */
const FORCEABLE: readonly StoreState[] = [StoreState.FAILED, StoreState.DEGRADED, StoreState.DELETING];

/** Deletes a store, once its ID was typed. Not offered while it has deletion protection. */
export function DeleteAction({ store }: { store: Store }) {
  const { clients } = useApi();
  const { storeId, uid, state } = store;
  const [force, setForce] = useState(false);
  const deletion = useDialogRequest(storeKeys(storeId), (requestId, signal) =>
    clients.stores.deleteStore({ storeId, uid, requestId, force }, { signal }),
  );
  const { opened, close } = deletion;
  const isDeleting = state === StoreState.DELETING;
  // Somebody else deletes it, or the server had received a request that was aborted here.
  const isAnswered = state === StoreState.DELETED || (isDeleting && !force);
  useEffect(() => {
    if (opened && isAnswered) close();
  }, [opened, isAnswered, close]);
  // A deletion that waits for something can be forced.
  const isOffered = state !== StoreState.DELETED && (!isDeleting || store.reason !== '');
  const isProtected = store.deletionProtection && !isDeleting;
  const open = () => {
    setForce(isDeleting);
    deletion.open();
  };
  return (
    <>
      {isOffered && (
        <Tooltip label="Deletion protection is on: switch it off under Details first" disabled={!isProtected}>
          <Button
            color="red"
            variant="outline"
            leftSection={<IconTrash size={16} aria-hidden />}
            data-disabled={isProtected || undefined}
            aria-disabled={isProtected}
            onClick={isProtected ? (event) => event.preventDefault() : open}
          >
            {isDeleting ? 'Force delete' : 'Delete'}
          </Button>
        </Tooltip>
      )}
      <ConfirmDialog
        {...deletion.dialog}
        title={`Delete ${store.displayName}?`}
        phrase={storeId}
        action={force ? 'Force delete' : 'Delete store'}
        color="red"
      >
        <Text size="sm">
          The shop is removed with all its data: orders, customers, products. Its backups are kept for a while, 30 days
          by default. This can't be undone.
        </Text>
        {FORCEABLE.includes(state) && (
          <Checkbox
            label="Force: delete the store even if the cluster doesn't respond"
            description="Resources may be left in the cluster. The event names them; the request is audited."
            checked={force}
            disabled={deletion.isPending || isDeleting}
            onChange={(event) => setForce(event.currentTarget.checked)}
          />
        )}
        <RequestProblem title="The store was not deleted" error={deletion.error} />
      </ConfirmDialog>
    </>
  );
}
