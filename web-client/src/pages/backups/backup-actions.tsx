import { Button, Group, Text } from '@mantine/core';
import { useApi } from '@/api/api';
import { BACKUPS, storeKeys } from '@/api/queries';
import { bytes } from '@/format/bytes';
import { type Backup, BackupState, BackupTrigger } from '@/gen/storeplane/v1/backup_service_pb';
import { useCanEdit } from '@/session/caller';
import { ConfirmDialog } from '@/ui/confirm-dialog';
import { RequestProblem } from '@/ui/request-problem';
import { useDialogRequest } from '@/ui/use-dialog-request';
import { nameOf, timeOf } from './backup-name';
import { CopyBackup } from './copy-store';
import { RestoreBackup, type RestoreOffer } from './restore-backup';
import { UndeleteFromBackup, type UndeleteOffer } from './undelete-store';

interface Props {
  backup: Backup;
  /** Absent where the present store is not known, or is deleted. */
  restore: RestoreOffer | undefined;
  /** Only for a deleted store. */
  undelete: UndeleteOffer | undefined;
}

/** What can be done with a backup in its state. */
export function BackupActions({ backup, restore, undelete }: Props) {
  const canEdit = useCanEdit();
  const isComplete = backup.state === BackupState.COMPLETE;
  return (
    <Group gap="xs" justify="flex-end" wrap="nowrap">
      {isComplete && <UndeleteFromBackup offer={undelete} backup={backup} />}
      {restore && isComplete && <RestoreBackup backup={backup} {...restore} />}
      {canEdit && (
        <>
          {isComplete && <CopyBackup backup={backup} />}
          <CancelBackup backup={backup} />
          <DeleteBackup backup={backup} />
        </>
      )}
    </Group>
  );
}

/** Cancels the operation that makes the backup. */
function CancelBackup({ backup }: { backup: Backup }) {
  const { clients } = useApi();
  const { operationId, storeId, storeUid, state, trigger } = backup;
  const cancel = useDialogRequest([BACKUPS, ...storeKeys(storeId)], (requestId, signal) =>
    clients.operations.cancelOperation({ operationId, storeUid, requestId }, { signal }),
  );
  return (
    <>
      {state === BackupState.CREATING && (
        <Button
          size="xs"
          variant="default"
          aria-label={`Cancel backup of ${nameOf(backup)}`}
          disabled={cancel.isSuccess}
          onClick={cancel.open}
        >
          {cancel.isSuccess ? 'Cancelling…' : 'Cancel'}
        </Button>
      )}
      <ConfirmDialog
        {...cancel.dialog}
        title="Cancel this backup?"
        action="Cancel backup"
        dismiss="Keep running"
        color="red"
      >
        <Text size="sm">
          The backup stops, and what it has stored so far is removed. The store {storeId} and its earlier backups are
          not changed.
        </Text>
        {trigger === BackupTrigger.BEFORE_RESTORE && (
          <Text size="sm">
            The restore that it precedes is cancelled too, and the shop is put back online with its present data.
          </Text>
        )}
        <RequestProblem title="The backup was not cancelled" error={cancel.error} />
      </ConfirmDialog>
    </>
  );
}

/** Deletes the backup, after a confirmation that names what is lost. */
function DeleteBackup({ backup }: { backup: Backup }) {
  const { clients } = useApi();
  const { backupId, state } = backup;
  const deletion = useDialogRequest([BACKUPS], (requestId, signal) =>
    clients.backups.deleteBackup({ backupId, requestId }, { signal }),
  );
  return (
    <>
      {(state === BackupState.COMPLETE || state === BackupState.FAILED) && (
        <Button
          size="xs"
          variant="outline"
          color="red"
          aria-label={`Delete backup of ${nameOf(backup)}`}
          onClick={deletion.open}
        >
          Delete
        </Button>
      )}
      <ConfirmDialog {...deletion.dialog} title="Delete this backup?" action="Delete backup" color="red">
        <Text size="sm" className="wrap">
          {loss(backup)}
        </Text>
        <RequestProblem title="The backup was not deleted" error={deletion.error} />
      </ConfirmDialog>
    </>
  );
}

/** What is lost with the backup. */
export function loss(backup: Backup): string {
  const { storeId, state, simulated, sizeBytes } = backup;
  const when = timeOf(backup);
  if (state === BackupState.FAILED) {
    return `Only the record${when} is removed: this backup of ${storeId} was not completed and holds no data.`;
  }
  const content = simulated ? 'its manifest' : `the database and files that it holds (${bytes(sizeBytes)})`;
  return `The backup of ${storeId}${when} is removed from the storage, with ${content}. The store itself is not changed. This can't be undone.`;
}
