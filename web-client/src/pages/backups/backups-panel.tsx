import { Group } from '@mantine/core';
import { STORE_BACKUPS_PAGE_SIZE } from '@/api/queries';
import type { Operation } from '@/gen/storeplane/v1/operation_pb';
import { type Store, StoreState } from '@/gen/storeplane/v1/store_pb';
import { Empty } from '@/ui/empty';
import { Panel } from '@/ui/panel';
import { quote } from '../stores/search';
import { copyRefusal, createRefusal, restoreRefusal } from './backup-refusal';
import { BackupsList } from './backups-list';
import { CopyStore } from './copy-store';
import { CreateBackup } from './create-backup';
import { useUndeleteOffer } from './undelete-store';

export interface BackupsPanelProps {
  store: Store;
  /** The operation that is running, if any. */
  running: Operation | undefined;
  canEdit: boolean;
}

/** The backups of this store, and not of an earlier one of the same ID. */
export function BackupsPanel({ store, running, canEdit }: BackupsPanelProps) {
  const isDeleted = store.state === StoreState.DELETED;
  const undelete = useUndeleteOffer(store);
  const refusal = createRefusal(store, running, canEdit);
  return (
    <Panel
      title="Backups"
      mih={140}
      aside={
        !isDeleted && (
          <Group gap="xs">
            <CreateBackup store={store} refusal={refusal} />
            <CopyStore store={store} refusal={copyRefusal(store, running, canEdit)} />
          </Group>
        )
      }
    >
      <BackupsList
        storeId={store.storeId}
        filter={`store_uid = ${quote(store.uid)}`}
        pageSize={STORE_BACKUPS_PAGE_SIZE}
        showStore={false}
        restore={isDeleted ? undefined : { store, refusal: restoreRefusal(store, running, canEdit) }}
        undelete={undelete}
        empty={
          isDeleted ? (
            <Empty title="This store has no backups" />
          ) : (
            <Empty title="No backups yet">
              {refusal ?? 'Create one before you change the shop. It keeps selling meanwhile.'}
            </Empty>
          )
        }
      />
    </Panel>
  );
}
