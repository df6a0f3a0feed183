import { Group, Paper } from '@mantine/core';
import { useCanEdit } from '@/session/caller';
import { ListCards } from '@/ui/list-cards';
import { BackupActions } from './backup-actions';
import { Created, Notes, Size, State, StoreName, trigger } from './backup-cells';
import type { BackupListProps } from './backups-table';

/** The backups on a phone. */
export function BackupCards({ backups, outdated, showStore, restore }: BackupListProps) {
  const hasActions = useCanEdit() || restore !== undefined;
  return (
    <ListCards label="List of backups" rows={backups} outdated={outdated} height={150}>
      {(backup) => (
        <Paper component="li" withBorder p="sm" key={backup.backupId} data-backup={backup.backupId}>
          {showStore && <StoreName backup={backup} />}
          <Group justify="space-between" align="flex-start" gap="xs">
            <div>
              <State backup={backup} />
            </div>
            {hasActions && <BackupActions backup={backup} restore={restore} />}
          </Group>
          <dl className="pairs">
            <dt>Created</dt>
            <dd>
              <Created backup={backup} />
            </dd>
            <dt>Size</dt>
            <dd>
              <Size backup={backup} />
            </dd>
            <dt>Trigger</dt>
            <dd>{trigger(backup)}</dd>
          </dl>
          <Notes backup={backup} />
        </Paper>
      )}
    </ListCards>
  );
}
