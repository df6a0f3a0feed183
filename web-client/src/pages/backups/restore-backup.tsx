import { Button, Checkbox, Text, Tooltip } from '@mantine/core';
import { useState } from 'react';
import { useApi } from '@/api/api';
import { BACKUPS, storeKeys } from '@/api/queries';
import type { Backup } from '@/gen/storeplane/v1/backup_service_pb';
import type { Store } from '@/gen/storeplane/v1/store_pb';
import { ConfirmDialog } from '@/ui/confirm-dialog';
import { RequestProblem } from '@/ui/request-problem';
import { useDialogRequest } from '@/ui/use-dialog-request';
import { nameOf } from './backup-name';
import { BackupTime } from './backup-time';
import { FailedRestoreTest } from './restore-test';

/** The store whose backups can be restored, and why that is not possible now. */
export interface RestoreOffer {
  store: Store;
  refusal: string | undefined;
}

/** Replaces the store's data by that of its backup, after a confirmation that says what customers see and what is lost. */
export function RestoreBackup({ backup, store, refusal }: RestoreOffer & { backup: Backup }) {
  const { clients } = useApi();
  const { storeId, uid } = store;
  const { backupId } = backup;
  const [skipBackup, setSkipBackup] = useState(false);
  const restore = useDialogRequest([BACKUPS, ...storeKeys(storeId)], (requestId, signal) =>
    clients.stores.restoreStore({ storeId, uid, backupId, skipBackup, requestId }, { signal }),
  );
  const open = () => {
    setSkipBackup(false);
    restore.open();
  };
  return (
    <>
      <Tooltip label={refusal} disabled={!refusal} multiline maw={260}>
        <Button
          size="xs"
          variant="default"
          aria-label={`Restore backup of ${nameOf(backup)}`}
          data-disabled={refusal !== undefined || undefined}
          aria-disabled={refusal !== undefined}
          onClick={refusal ? (event) => event.preventDefault() : open}
        >
          Restore
        </Button>
      </Tooltip>
      <ConfirmDialog
        {...restore.dialog}
        title={`Restore ${store.displayName}?`}
        action={skipBackup ? 'Restore without a backup' : 'Restore backup'}
        color={skipBackup ? 'red' : undefined}
      >
        <Text size="sm" className="wrap">
          The database and files of {storeId} are replaced by those of the backup. Orders, customers and other changes
          since <BackupTime backup={backup} /> are lost
          {!skipBackup && ': they remain only in a backup of the present data, which is made first'}.
        </Text>
        <FailedRestoreTest backup={backup} />
        <Text size="sm">A maintenance page is shown in the shop's place until the restore has ended.</Text>
        <Checkbox
          label="Skip the backup of the present data"
          description="For a shop whose data cannot be read any more."
          error={skipBackup && "What is in the shop now is then lost. This can't be undone."}
          checked={skipBackup}
          disabled={restore.isPending}
          onChange={(event) => setSkipBackup(event.currentTarget.checked)}
        />
        <RequestProblem title="The store was not restored" error={restore.error} />
      </ConfirmDialog>
    </>
  );
}
