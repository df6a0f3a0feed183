import type { Timestamp } from '@bufbuild/protobuf/wkt';
import { isSettled } from '@/format/words';
import type { StoreEvent } from '@/gen/storeplane/v1/event_pb';
import { type Operation, OperationKind, OperationState } from '@/gen/storeplane/v1/operation_pb';
import { type Store, StoreState } from '@/gen/storeplane/v1/store_pb';

/** Since when a store is in its state, and who is responsible. */
export interface Summary {
  /** For example `Degraded since`, `Deleted`. */
  label: string;
  time: Timestamp | undefined;
  /** True where the state lasts: its age is shown too. */
  isLasting: boolean;
  actor: string;
  note: string;
}

const LASTING: Partial<Record<StoreState, string>> = {
  [StoreState.PROVISIONING]: 'Provisioning since',
  [StoreState.READY]: 'Ready since',
  [StoreState.UPDATING]: 'Updating since',
  [StoreState.DEGRADED]: 'Degraded since',
  [StoreState.FAILED]: 'Failed since',
  [StoreState.DELETING]: 'Deleting since',
};

export function isCancelled({ state, reason }: Pick<Store, 'state' | 'reason'>): boolean {
  return state === StoreState.FAILED && reason === 'CANCELLED';
}

/** The store's running operation, else its last one. */
export function operationOf(store: Store, operations: Operation[]): Operation | undefined {
  return operations.find(({ operationId }) => operationId === store.operation);
}

/** The operation that has not ended. A backup runs while the store is READY or DEGRADED. */
export function runningOperation(store: Store, operations: Operation[]): Operation | undefined {
  const operation = operationOf(store, operations);
  const isRunning = operation?.state === OperationState.PENDING || operation?.state === OperationState.RUNNING;
  return isRunning ? operation : undefined;
}

export function summaryOf(store: Store, operations: Operation[], events: StoreEvent[]): Summary {
  const operation = operationOf(store, operations);
  const own = events.filter(({ operationId }) => operationId === store.operation);
  const requestedBy = operation?.requestedBy ?? '';
  if (store.state === StoreState.DELETED) {
    return { label: 'Deleted', time: store.deleteTime, isLasting: false, actor: requestedBy, note: '' };
  }
  if (isCancelled(store)) {
    const request = own.find(({ type }) => type === 'CANCEL_REQUESTED');
    const actor = request?.details.actor ?? '';
    return { label: 'Cancelled', time: store.stateTime, isLasting: false, actor, note: leftAfterCancel(own) };
  }
  const label = LASTING[store.state] ?? '';
  return {
    label,
    time: store.stateTime,
    isLasting: true,
    actor: isSettled(store.state) || !runningOperation(store, operations) ? '' : requestedBy,
    note: '',
  };
}

function leftAfterCancel(events: StoreEvent[]): string {
  if (events.some(({ type }) => type === 'UNDO_SUCCEEDED')) return 'everything was removed';
  if (events.length > 0 && !events.some(({ type }) => type === 'STEP_STARTED')) return 'nothing had been created';
  return '';
}

/** Seconds from CreateStore or CopyStore to READY. Absent for a store that did not become READY by its creation: that time includes waiting for people. */
export function timeToReady(store: Store, operations: Operation[]): number | undefined {
  // The oldest: a copy that failed is continued by another one.
  const creation = operations.findLast(({ kind }) => kind === OperationKind.CREATE || kind === OperationKind.COPY);
  const { createTime, readyTime } = store;
  if (creation?.state !== OperationState.SUCCEEDED || !createTime || !readyTime) return undefined;
  return Number(readyTime.seconds - createTime.seconds) + (readyTime.nanos - createTime.nanos) / 1e9;
}

/**
 * The event by which a store became READY again as a new, empty shop, since its namespace was gone. Absent if that never
 * happened, or is older than the retained events.
 */
export function recreation(events: StoreEvent[]): StoreEvent | undefined {
  let lostAt: bigint | undefined;
  let recreated: StoreEvent | undefined;
  for (const event of events) {
    if (event.details.reason === 'NAMESPACE_MISSING') lostAt = event.sequence;
    if (lostAt !== undefined && event.type === 'STATE_CHANGED' && event.details.state === 'READY') {
      const since = lostAt;
      const madeNamespace = events.some(
        ({ type, step, sequence }) =>
          type === 'STEP_SUCCEEDED' && step === 'NAMESPACE' && sequence > since && sequence < event.sequence,
      );
      if (madeNamespace) recreated = event;
      lostAt = undefined;
    }
  }
  return recreated;
}
