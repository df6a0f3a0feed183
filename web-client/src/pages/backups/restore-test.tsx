import { Box, Text } from '@mantine/core';
import { reasonTitle, words } from '@/format/words';
import { type Backup, BackupState, RestoreTestState } from '@/gen/storeplane/v1/backup_service_pb';
import { Ago } from '@/ui/time';

const COLORS: Record<RestoreTestState, string> = {
  [RestoreTestState.UNSPECIFIED]: 'gray',
  [RestoreTestState.RUNNING]: 'indigo',
  [RestoreTestState.PASSED]: 'teal',
  [RestoreTestState.FAILED]: 'red',
};

/** The result of the backup's last test restore, when that was, and why it failed. */
export function RestoreTest({ backup: { state: backupState, restoreTest } }: { backup: Backup }) {
  if (!restoreTest) return <span className="dimmed">{backupState === BackupState.COMPLETE ? 'Not tested' : '–'}</span>;
  const { state, startTime, endTime, reason } = restoreTest;
  const name = RestoreTestState[state] ?? 'unknown';
  return (
    <>
      <span className="outcome" data-restore-test={name}>
        <Box
          className="dot"
          data-busy={state === RestoreTestState.RUNNING || undefined}
          style={{ background: `var(--mantine-color-${COLORS[state] ?? 'gray'}-6)` }}
        />
        {words(name)}
      </span>
      <Text size="xs" className="dimmed">
        <Ago time={endTime ?? startTime} />
      </Text>
      {state === RestoreTestState.FAILED && reason && (
        <Text size="xs" className="dimmed wrap">
          {reasonTitle(reason)}
        </Text>
      )}
    </>
  );
}

/** Warns before a backup is used whose test restore failed. */
export function FailedRestoreTest({ backup: { restoreTest } }: { backup: Backup }) {
  if (restoreTest?.state !== RestoreTestState.FAILED) return null;
  return (
    <Text size="sm" className="warning wrap">
      The last test restore of this backup failed{restoreTest.message ? `: ${restoreTest.message}` : '.'}
    </Text>
  );
}
