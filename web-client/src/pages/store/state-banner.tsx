import { Alert, Text } from '@mantine/core';
import { IconAlertTriangle, IconInfoCircle } from '@tabler/icons-react';
import { backupProgress } from '@/format/backup-progress';
import { stepTitle } from '@/format/words';
import type { StoreEvent } from '@/gen/storeplane/v1/event_pb';
import { type Operation, OperationKind } from '@/gen/storeplane/v1/operation_pb';
import { type Store, StoreState } from '@/gen/storeplane/v1/store_pb';
import { driftOf } from '@/ui/store-marks';
import { Counting, Moment } from '@/ui/time';
import { recreation, summaryOf } from './summary';

interface Props {
  store: Store;
  operations: Operation[];
  events: StoreEvent[];
}

/** Since when the store is in its state, and by whom: `Degraded since 12:59 (8 min)`, `Deleted 13:02 by ada`. */
export function StateLine({ store, operations, events }: Props) {
  const { label, time, isLasting, actor, note } = summaryOf(store, operations, events);
  if (!time) return null;
  return (
    <Text size="sm" className="dimmed" data-testid="state-line">
      {label} <Moment time={time} />
      {isLasting && (
        <>
          {' '}
          (<Counting since={time} coarse />)
        </>
      )}
      {actor && `${isLasting ? ', requested' : ''} by ${actor}`}
      {note && `; ${note}`}
    </Text>
  );
}

/** That the store is being backed up, which does not change its state. */
export function BackupLine({ running, events }: { running: Operation | undefined; events: StoreEvent[] }) {
  if (running?.kind !== OperationKind.BACKUP) return null;
  const { operationId, step, createTime, message, cancelRequested } = running;
  const progress = backupProgress(events, operationId);
  return (
    <Text size="sm" className="dimmed wrap" data-testid="backup-line">
      {cancelRequested ? 'Cancelling backup' : 'Backup in progress'}: {step ? stepTitle(step) : 'waiting for a worker'}
      {createTime && (
        <>
          {' '}
          (<Counting since={createTime} />)
        </>
      )}
      {progress && `, ${progress}`}
      {message && `; ${message}`}
    </Text>
  );
}

/** How the store's configuration has drifted, and what ends it. */
export function DriftNotice({ store }: { store: Store }) {
  const drift = driftOf(store);
  const isSettled = store.state === StoreState.READY || store.state === StoreState.DEGRADED;
  if (!drift || !isSettled) return null;
  const action = store.state === StoreState.READY ? 'Reapply chart' : 'Retry';
  return (
    <Alert
      color="orange"
      variant="outline"
      icon={<IconAlertTriangle aria-hidden />}
      title="The configuration has drifted"
      data-testid="drift"
    >
      <span className="wrap">{drift.message}</span> “{action}” restores what is recorded.
    </Alert>
  );
}

/** Warnings about the store's data. */
export function StateNotice({ store, events }: Omit<Props, 'operations'>) {
  if (store.state === StoreState.DELETED) {
    return (
      <Notice title="This store was deleted">
        Its namespace and all its data are gone. Its operations, events and backups are kept below.
      </Notice>
    );
  }
  const recreated =
    store.state === StoreState.READY || store.state === StoreState.DEGRADED ? recreation(events) : undefined;
  if (!recreated) return null;
  return (
    <Notice title="This shop was recreated empty">
      Its namespace was deleted, and the retry of <Moment time={recreated.time} /> created a new one. Earlier orders,
      customers and products are lost unless you have a backup.
    </Notice>
  );
}

function Notice({ title, children }: { title: string; children: React.ReactNode }) {
  return (
    <Alert color="gray" variant="outline" icon={<IconInfoCircle aria-hidden />} title={title} data-testid="notice">
      {children}
    </Alert>
  );
}
