import { Box, Group, Paper } from '@mantine/core';
import { useCanEdit } from '@/session/caller';
import { ListCards } from '@/ui/list-cards';
import { BackupActions } from './backup-actions';
import { Created, Notes, Size, State, StoreName, trigger } from './backup-cells';
import type { BackupListProps } from './backups-table';
import { RestoreTest } from './restore-test';

/** The backups on a phone. */
export function BackupCards({ backups, outdated, showStore, restore, undelete }: BackupListProps) {
  const hasActions = useCanEdit() || restore !== undefined;
  return (
    <ListCards label="List of backups" rows={backups} outdated={outdated} height={150}>
      {(backup) => (
        <Paper component="li" withBorder p="sm" key={backup.backupId} data-backup={backup.backupId}>
          {showStore && (
            <Box mb={6}>
              <StoreName backup={backup} />
            </Box>
          )}
          <Group justify="space-between" align="flex-start" gap="xs">
            <div>
              <State backup={backup} />
            </div>
            {hasActions && <BackupActions backup={backup} restore={restore} undelete={undelete} />}
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
            <dt>Test restore</dt>
            <dd>
              <RestoreTest backup={backup} />
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
