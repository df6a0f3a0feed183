import { Text } from '@mantine/core';
import { IconArrowBackUp, IconCheck, IconMinus, IconX } from '@tabler/icons-react';
import { useMemo } from 'react';
import { backupProgress } from '@/format/backup-progress';
import { span } from '@/format/time';
import { stepTitle } from '@/format/words';
import type { StoreEvent } from '@/gen/storeplane/v1/event_pb';
import { type Operation, OperationKind } from '@/gen/storeplane/v1/operation_pb';
import { type Store, StoreState } from '@/gen/storeplane/v1/store_pb';
import { Panel } from '@/ui/panel';
import { Counting } from '@/ui/time';
import { type Step, type StepStatus, stepsOf } from './steps';

const STATUS_TEXT: Record<StepStatus, string> = {
  pending: 'pending',
  active: 'in progress',
  done: 'done',
  failed: 'failed',
  skipped: 'skipped',
};

/** Of the kinds that do not follow from the store's state. */
const TITLES: Partial<Record<OperationKind, string>> = {
  [OperationKind.BACKUP]: 'Backup steps',
  [OperationKind.COPY]: 'Copy steps',
  [OperationKind.RESTORE]: 'Restore steps',
  [OperationKind.ROLLBACK]: 'Rollback steps',
  [OperationKind.ROTATE_CREDENTIALS]: 'Rotation steps',
  [OperationKind.UPDATE]: 'Update steps',
};

interface Props {
  store: Store;
  /** The running operation, else the last one. */
  operation: Operation | undefined;
  events: StoreEvent[];
  loading: boolean;
}

/** The steps of the running operation, else of the last one. */
export function StepsPanel({ store, operation, events, loading }: Props) {
  const kind = operation?.kind;
  const steps = useMemo(() => stepsOf(events, store.operation, kind), [events, store.operation, kind]);
  const progress = useMemo(() => backupProgress(events, store.operation), [events, store.operation]);
  // A store that is backed up has a cause of its own, if it is degraded.
  const waiting = operation?.kind === OperationKind.BACKUP ? operation.message : store.message;
  return (
    <Panel title={title(store, operation)} mih={300}>
      {steps.length === 0 ? (
        <Text size="sm" className="dimmed">
          {loading ? 'Loading events…' : 'Its events are no longer retained.'}
        </Text>
      ) : (
        <ol className="steps">
          {steps.map((step, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: steps keep their places
            <StepLine key={index} step={step} waiting={waiting} progress={progress} />
          ))}
        </ol>
      )}
    </Panel>
  );
}

interface StepProps {
  step: Step;
  /** What the active step waits for, and what it has stored so far. */
  waiting: string;
  progress: string;
}

function StepLine({ step, waiting, progress }: StepProps) {
  const isActive = step.status === 'active';
  const note = isActive ? waiting : step.note;
  return (
    <li data-status={step.status} data-step={step.name} aria-current={isActive ? 'step' : undefined}>
      <span className="step-icon">
        <StepIcon status={step.status} />
      </span>
      <span className="title">
        {step.undo && <IconArrowBackUp size={14} role="img" aria-label="Rolling back:" />} {stepTitle(step.name)}
        <span className="visually-hidden">, {STATUS_TEXT[step.status]}</span>
      </span>
      <span className="time dimmed">
        {step.seconds !== undefined && step.status !== 'skipped' && span(step.seconds)}
        {isActive && step.startTime && <Counting since={step.startTime} />}
      </span>
      {isActive && progress && (
        <Text size="sm" className="more dimmed wrap" data-testid="progress">
          {progress}
        </Text>
      )}
      {note && (
        <Text size="sm" className="more dimmed wrap">
          {note}
        </Text>
      )}
    </li>
  );
}

function StepIcon({ status }: { status: StepStatus }) {
  if (status === 'done') return <IconCheck size={14} stroke={3} aria-hidden />;
  if (status === 'failed') return <IconX size={14} stroke={3} aria-hidden />;
  if (status === 'skipped') return <IconMinus size={14} stroke={3} aria-hidden />;
  return null;
}

function title({ state }: Store, operation: Operation | undefined): string {
  const known = operation && TITLES[operation.kind];
  if (known) return known;
  return state === StoreState.DELETING || state === StoreState.DELETED ? 'Deletion steps' : 'Provisioning steps';
}
