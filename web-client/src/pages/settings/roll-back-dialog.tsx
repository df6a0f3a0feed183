import { Text } from '@mantine/core';
import { useEffect, useRef } from 'react';
import { useApi } from '@/api/api';
import type { Store, StoreRevision } from '@/gen/storeplane/v1/store_pb';
import { ConfirmDialog } from '@/ui/confirm-dialog';
import { RequestProblem } from '@/ui/request-problem';
import { Counting, DateTime } from '@/ui/time';
import { goesLive, UpdateSummary } from './update-summary';
import { useStoreChange } from './use-store-change';

/**
 * Returns a store to an earlier revision, after a confirmation that shows what the server would do. If the revision has another database schema, the
 * shop gets the data of a backup, which is confirmed by typing the store's id.
 */
export function RollBackDialog({ store, revision }: { store: Store; revision: StoreRevision }) {
  const { clients } = useApi();
  const { storeId, uid } = store;
  const { revision: number } = revision;
  const losesData = (store.versions?.schema ?? '') !== (revision.versions?.schema ?? '');
  const change = useStoreChange(store, (options, signal) =>
    clients.stores.rollbackStore({ storeId, uid, revision: number, acceptDataLoss: losesData, ...options }, { signal }),
  );
  const { preview, error } = change;
  const since = preview?.lostSince;
  // Nothing has to be filled in: the preview is requested at once.
  const start = useRef(change.requestPreview);
  useEffect(() => start.current(), []);
  return (
    <ConfirmDialog
      {...change.dialog}
      title={`Roll ${storeId} back to revision ${number}?`}
      phrase={preview && (since || goesLive(preview)) ? storeId : undefined}
      action={preview ? 'Roll back' : 'Preview'}
      color={since ? 'red' : undefined}
    >
      <Text size="sm">
        The shop gets the chart, the values and the settings of revision {number} again.{' '}
        {losesData
          ? 'Its database has another schema there, so the shop also gets the data of a backup.'
          : 'Volumes and data are kept.'}
      </Text>
      {since && (
        <Text size="sm">
          The backup is from <DateTime time={since} /> (<Counting since={since} coarse /> ago).
        </Text>
      )}
      {preview && <UpdateSummary preview={preview} />}
      <RequestProblem title="The store was not rolled back" error={error} />
    </ConfirmDialog>
  );
}
