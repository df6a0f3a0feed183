import { Text } from '@mantine/core';
import { useEffect, useRef } from 'react';
import { useApi } from '@/api/api';
import type { Store } from '@/gen/storeplane/v1/store_pb';
import { ConfirmDialog } from '@/ui/confirm-dialog';
import { RequestProblem } from '@/ui/request-problem';
import { goesLive, UpdateSummary } from './update-summary';
import { useStoreChange } from './use-store-change';

/** Returns a store to an earlier revision, after a confirmation that shows what the server would do. */
export function RollBackDialog({ store, revision }: { store: Store; revision: number }) {
  const { clients } = useApi();
  const { storeId, uid } = store;
  const change = useStoreChange(store, (options, signal) =>
    clients.stores.rollbackStore({ storeId, uid, revision, ...options }, { signal }),
  );
  const { preview, error } = change;
  // Nothing has to be filled in: the preview is requested at once.
  const start = useRef(change.requestPreview);
  useEffect(() => start.current(), []);
  return (
    <ConfirmDialog
      {...change.dialog}
      title={`Roll ${storeId} back to revision ${revision}?`}
      phrase={preview && goesLive(preview) ? storeId : undefined}
      action={preview ? 'Roll back' : 'Preview'}
    >
      <Text size="sm">
        The shop gets the chart, the values and the settings of revision {revision} again. Volumes and data are kept.
      </Text>
      {preview && <UpdateSummary preview={preview} />}
      <RequestProblem title="The store was not rolled back" error={error} />
    </ConfirmDialog>
  );
}
