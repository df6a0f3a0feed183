import { Box, Text } from '@mantine/core';
import { bytes } from '@/format/bytes';
import { elapsed, span } from '@/format/time';
import { reasonTitle, words } from '@/format/words';
import { type Backup, BackupState, BackupTrigger, RestoreTestState } from '@/gen/storeplane/v1/backup_service_pb';
import { AnchorLink } from '@/ui/link';
import { Ago } from '@/ui/time';

const COLORS: Record<BackupState, string> = {
  [BackupState.UNSPECIFIED]: 'gray',
  [BackupState.CREATING]: 'indigo',
  [BackupState.COMPLETE]: 'teal',
  [BackupState.FAILED]: 'red',
  [BackupState.DELETING]: 'gray',
};

const BUSY: readonly BackupState[] = [BackupState.CREATING, BackupState.DELETING];

/** The state, with how long it took or why it failed. One that was cancelled is no error. */
export function State({ backup }: { backup: Backup }) {
  const { state, reason, simulated } = backup;
  const isCancelled = state === BackupState.FAILED && reason === 'CANCELLED';
  const name = BackupState[state] ?? 'unknown';
  const color = isCancelled ? 'gray' : (COLORS[state] ?? 'gray');
  const seconds = elapsed(backup.createTime, backup.completeTime);
  return (
    <>
      <span className="outcome" data-backup-state={name}>
        <Box
          className="dot"
          data-busy={BUSY.includes(state) || undefined}
          style={{ background: `var(--mantine-color-${color}-6)` }}
        />
        {isCancelled ? 'Cancelled' : words(name)}
      </span>
      {state === BackupState.COMPLETE && seconds !== undefined && (
        <Text size="xs" className="dimmed">
          in {span(seconds)}
        </Text>
      )}
      {state === BackupState.FAILED && reason && !isCancelled && (
        <Text size="xs" className="dimmed" title={reason}>
          {reasonTitle(reason)}
        </Text>
      )}
      {simulated && (
        <Text
          size="xs"
          className="dimmed"
          title="Nothing runs in a simulated cluster: the backup holds only its manifest"
        >
          Simulated, no data
        </Text>
      )}
    </>
  );
}

/** The store with a link. Its uid is part of the link: another store may have its ID by now. */
export function StoreName({ backup: { storeId, storeUid } }: { backup: Backup }) {
  return (
    <AnchorLink
      to="/stores/$storeId"
      params={{ storeId }}
      search={{ uid: storeUid }}
      size="sm"
      className="mono"
      truncate
      display="block"
    >
      {storeId}
    </AnchorLink>
  );
}

export function Created({ backup: { createTime, requestedBy } }: { backup: Backup }) {
  return (
    <>
      <Ago time={createTime} />
      {requestedBy && (
        <Text size="xs" className="dimmed wrap">
          by {requestedBy}
        </Text>
      )}
    </>
  );
}

/** What is stored, in total; each part on hover. */
export function Size({ backup: { state, sizeBytes, parts } }: { backup: Backup }) {
  if (state !== BackupState.COMPLETE) return <span className="dimmed">–</span>;
  const title = parts.map((part) => `${words(part.name)}: ${bytes(part.sizeBytes)}`).join(', ');
  return (
    <span className="numbers" title={title || undefined}>
      {bytes(sizeBytes)}
    </span>
  );
}

/** Triggers that read better than the words of their code. */
const TRIGGERS: Partial<Record<BackupTrigger, string>> = {
  [BackupTrigger.BEFORE_RESTORE]: 'Before a restore',
  [BackupTrigger.COPY]: 'For a copy',
};

export function trigger({ trigger }: Backup): string {
  return TRIGGERS[trigger] ?? words(BackupTrigger[trigger] ?? 'unknown');
}

/** The caller's note, for a backup that failed its cause and remedy, and why its test restore failed. */
export function Notes({ backup: { state, description, reason, message, remedy, restoreTest } }: { backup: Backup }) {
  const isFailed = state === BackupState.FAILED && reason !== 'CANCELLED';
  return (
    <>
      {description && (
        <Text size="sm" className="wrap">
          {description}
        </Text>
      )}
      {isFailed && message && (
        <Text size="xs" className="dimmed wrap">
          {message}
        </Text>
      )}
      {isFailed && remedy && (
        <Text size="xs" className="dimmed wrap">
          <b>What to do:</b> {remedy}
        </Text>
      )}
      {restoreTest?.state === RestoreTestState.FAILED && restoreTest.message && (
        <Text size="xs" className="dimmed wrap">
          <b>Test restore:</b> {restoreTest.message}
        </Text>
      )}
    </>
  );
}
