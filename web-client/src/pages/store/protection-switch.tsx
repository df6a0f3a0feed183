import { Switch } from '@mantine/core';
import { useApi } from '@/api/api';
import { storeKeys } from '@/api/queries';
import type { Store } from '@/gen/storeplane/v1/store_pb';
import { RequestProblem } from '@/ui/request-problem';
import { useDialogRequest } from '@/ui/use-dialog-request';

/** Switches the store's deletion protection. */
export function ProtectionSwitch({ store }: { store: Store }) {
  const { clients } = useApi();
  const { storeId, uid, deletionProtection } = store;
  const change = useDialogRequest(storeKeys(storeId), (requestId, signal) =>
    clients.stores.updateStore(
      {
        storeId,
        uid,
        requestId,
        store: { deletionProtection: !deletionProtection },
        updateMask: { paths: ['deletion_protection'] },
      },
      { signal },
    ),
  );
  return (
    <>
      <Switch
        aria-label="Deletion protection"
        label={deletionProtection ? 'On: the store cannot be deleted' : 'Off'}
        checked={deletionProtection}
        disabled={change.isPending}
        onChange={change.send}
      />
      <RequestProblem title="Deletion protection was not changed" error={change.error} />
    </>
  );
}
