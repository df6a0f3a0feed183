import { STORE_BACKUPS_PAGE_SIZE } from '@/api/queries';
import type { Operation } from '@/gen/storeplane/v1/operation_pb';
import { type Store, StoreState } from '@/gen/storeplane/v1/store_pb';
import { Empty } from '@/ui/empty';
import { Panel } from '@/ui/panel';
import { quote } from '../stores/search';
import { createRefusal, restoreRefusal } from './backup-refusal';
import { BackupsList } from './backups-list';
import { CreateBackup } from './create-backup';

export interface BackupsPanelProps {
  store: Store;
  /** The operation that is running, if any. */
  running: Operation | undefined;
  canEdit: boolean;
}

/** The backups of this store, and not of an earlier one of the same ID. */
export function BackupsPanel({ store, running, canEdit }: BackupsPanelProps) {
  const isDeleted = store.state === StoreState.DELETED;
  const refusal = createRefusal(store, running, canEdit);
  return (
    <Panel title="Backups" mih={140} aside={!isDeleted && <CreateBackup store={store} refusal={refusal} />}>
      <BackupsList
        storeId={store.storeId}
        filter={`store_uid = ${quote(store.uid)}`}
        pageSize={STORE_BACKUPS_PAGE_SIZE}
        showStore={false}
        restore={isDeleted ? undefined : { store, refusal: restoreRefusal(store, running, canEdit) }}
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
