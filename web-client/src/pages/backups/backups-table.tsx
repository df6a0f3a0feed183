import { Table } from '@mantine/core';
import type { Backup } from '@/gen/storeplane/v1/backup_service_pb';
import { useCanEdit } from '@/session/caller';
import { ListTable } from '@/ui/list-table';
import { BackupActions } from './backup-actions';
import { Created, Notes, Size, State, StoreName, trigger } from './backup-cells';
import type { RestoreOffer } from './restore-backup';
import { RestoreTest } from './restore-test';
import type { UndeleteOffer } from './undelete-store';

export interface BackupListProps {
  backups: Backup[] | undefined;
  /** True while the rows are those of the filter before. */
  outdated: boolean;
  /** False on the page of one store. */
  showStore: boolean;
  /** Absent where the present store is not known, or is deleted. */
  restore: RestoreOffer | undefined;
  /** Only for a deleted store. */
  undelete: UndeleteOffer | undefined;
}

export function BackupsTable({ backups, outdated, showStore, restore, undelete }: BackupListProps) {
  const hasActions = useCanEdit() || restore !== undefined;
  const columns = [
    ...(showStore ? ['Store'] : []),
    'State',
    'Created',
    'Size',
    'Test restore',
    'Trigger',
    'Description',
    ...(hasActions ? ['Actions'] : []),
  ];
  return (
    <ListTable label="List of backups" columns={columns} rows={backups} outdated={outdated}>
      {(backup) => (
        <Table.Tr key={backup.backupId} data-backup={backup.backupId}>
          {showStore && (
            <Table.Td maw={220}>
              <StoreName backup={backup} />
            </Table.Td>
          )}
          <Table.Td>
            <State backup={backup} />
          </Table.Td>
          <Table.Td maw={180}>
            <Created backup={backup} />
          </Table.Td>
          <Table.Td>
            <Size backup={backup} />
          </Table.Td>
          <Table.Td>
            <RestoreTest backup={backup} />
          </Table.Td>
          <Table.Td>{trigger(backup)}</Table.Td>
          <Table.Td maw={360}>
            <Notes backup={backup} />
          </Table.Td>
          {hasActions && (
            <Table.Td>
              <BackupActions backup={backup} restore={restore} undelete={undelete} />
            </Table.Td>
          )}
        </Table.Tr>
      )}
    </ListTable>
  );
}
