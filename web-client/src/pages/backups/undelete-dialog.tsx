import { NativeSelect, Text } from '@mantine/core';
import { useMemo, useState } from 'react';
import { useApi } from '@/api/api';
import { violationOf, violationsOf } from '@/api/problem';
import { BACKUPS, storeKeys } from '@/api/queries';
import { uuid } from '@/api/uuid';
import { bytes } from '@/format/bytes';
import { date, local } from '@/format/time';
import type { Backup } from '@/gen/storeplane/v1/backup_service_pb';
import type { Store } from '@/gen/storeplane/v1/store_pb';
import { ConfirmDialog } from '@/ui/confirm-dialog';
import { RequestProblem } from '@/ui/request-problem';
import { useDialogRequest } from '@/ui/use-dialog-request';
import { useOpenCreated } from '../create/use-open-created';
import { trigger } from './backup-cells';
import { BackupTime } from './backup-time';
import { FailedRestoreTest } from './restore-test';

interface Props {
  /** A deleted store. */
  store: Store;
  /** Its complete backups, at least one. */
  backups: Backup[];
  /** The one that is selected at first. */
  initial: Backup;
}

/** Creates a deleted store again from one of its backups, and opens its page. */
export function UndeleteDialog({ store, backups, initial }: Props) {
  const { storeId, uid, displayName, shopUrl } = store;
  const { clients } = useApi();
  const [backup, setBackup] = useState(initial);
  const { backupId } = backup;
  // The same backup is the same request: after a lost answer, sending it again creates no second store.
  // biome-ignore lint/correctness/useExhaustiveDependencies: another backup is another request
  const requestId = useMemo(uuid, [backupId]);
  const undeletion = useDialogRequest(
    [BACKUPS, ...storeKeys(storeId)],
    (requestId, signal) => clients.stores.undeleteStore({ storeId, uid, backupId, requestId }, { signal }),
    { opensAtOnce: true, requestId, onSuccess: useOpenCreated() },
  );
  const choices = backups.some((each) => each.backupId === initial.backupId) ? backups : [...backups, initial];
  return (
    <ConfirmDialog {...undeletion.dialog} title={`Undelete ${displayName}?`} action="Undelete store">
      <Text size="sm" className="wrap">
        A new store is created with the same ID, {storeId}, and the same URL, {shopUrl}. It gets new credentials.
      </Text>
      <NativeSelect
        label="Backup"
        data-autofocus
        disabled={undeletion.isPending}
        value={backupId}
        data={choices.map((each) => ({ value: each.backupId, label: choiceOf(each) }))}
        error={violationOf(violationsOf(undeletion.error), 'backup_id')}
        onChange={(event) => {
          undeletion.reset();
          setBackup(choices.find((each) => each.backupId === event.currentTarget.value) ?? initial);
        }}
      />
      <Text size="sm" className="wrap" data-testid="data-age">
        Its data is that of <BackupTime backup={backup} />. Orders, customers and other changes after that time are
        lost.
      </Text>
      <FailedRestoreTest backup={backup} />
      <RequestProblem title="The store was not undeleted" error={undeletion.error} fields={['backup_id']} />
    </ConfirmDialog>
  );
}

/** A backup in one line. */
function choiceOf(backup: Backup): string {
  const at = date(backup.createTime);
  return [at && local(at), bytes(backup.sizeBytes), trigger(backup)].filter(Boolean).join(', ');
}
