import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { expect, test } from 'vitest';
import { OperationKind, OperationSchema, OperationState } from '@/gen/storeplane/v1/operation_pb';
import { StoreState } from '@/gen/storeplane/v1/store_pb';
import { BEGIN, makeEvent, makeStore } from '../../../test/fixtures';
import { recreation, runningOperation, summaryOf, timeToReady } from './summary';

const time = timestampFromMs(BEGIN + 60_000);
const operation = (kind: OperationKind, state: OperationState) =>
  create(OperationSchema, { operationId: 'op-1', kind, state, requestedBy: 'ada' });

test.each([
  [StoreState.DEGRADED, 'Degraded since', true, ''],
  [StoreState.READY, 'Ready since', true, ''],
  [StoreState.DELETED, 'Deleted', false, 'ada'],
] as const)('state %s has a label, a time and the person it matters for', (state, label, isLasting, actor) => {
  const store = makeStore({ state, stateTime: time, deleteTime: time });
  const ended = operation(OperationKind.DELETE, OperationState.SUCCEEDED);
  expect(summaryOf(store, [ended], [])).toEqual({ label, time, isLasting, actor, note: '' });
});

test('a running operation names who requested it', () => {
  const running = operation(OperationKind.RETRY, OperationState.RUNNING);
  expect(summaryOf(makeStore({ stateTime: time }), [running], [])).toMatchObject({ actor: 'ada' });
});

test('a backup that runs is not why the store is in its state', () => {
  const backup = operation(OperationKind.BACKUP, OperationState.PENDING);
  const store = makeStore({ state: StoreState.READY, stateTime: time });
  expect(runningOperation(store, [backup])).toBe(backup);
  expect(summaryOf(store, [backup], [])).toMatchObject({ label: 'Ready since', actor: '' });
  expect(runningOperation(store, [operation(OperationKind.BACKUP, OperationState.SUCCEEDED)])).toBeUndefined();
});

test('a cancelled creation names who cancelled it and what remains', () => {
  const store = makeStore({ state: StoreState.FAILED, reason: 'CANCELLED', stateTime: time });
  const request = makeEvent(3, { type: 'CANCEL_REQUESTED', details: { actor: 'eve' } });
  const step = makeEvent(2, { type: 'STEP_STARTED', step: 'NAMESPACE' });
  const removed = makeEvent(4, { type: 'UNDO_SUCCEEDED' });
  expect(summaryOf(store, [], [step, request, removed])).toMatchObject({
    label: 'Cancelled',
    actor: 'eve',
    note: 'everything was removed',
  });
  expect(summaryOf(store, [], [request]).note).toBe('nothing had been created');
  expect(summaryOf(store, [], [step, request]).note).toBe('');
});

test('the time to ready is that of a creation that succeeded, not of one that a person retried', () => {
  const store = makeStore({ readyTime: timestampFromMs(BEGIN + 6500) });
  expect(timeToReady(store, [operation(OperationKind.CREATE, OperationState.SUCCEEDED)])).toBe(6.5);
  expect(timeToReady(store, [operation(OperationKind.CREATE, OperationState.FAILED)])).toBeUndefined();
  expect(timeToReady(store, [])).toBeUndefined();
  const copied = operation(OperationKind.COPY, OperationState.SUCCEEDED);
  const failed = operation(OperationKind.COPY, OperationState.FAILED);
  expect(timeToReady(store, [copied])).toBe(6.5);
  expect(timeToReady(store, [copied, failed])).toBeUndefined();
});

test('a retry that created a new namespace is a recreation, one in the old namespace is not', () => {
  const lost = makeEvent(5, { type: 'STATE_CHANGED', details: { state: 'DEGRADED', reason: 'NAMESPACE_MISSING' } });
  const made = makeEvent(7, { type: 'STEP_SUCCEEDED', step: 'NAMESPACE' });
  const ready = makeEvent(9, { type: 'STATE_CHANGED', details: { state: 'READY' } });
  expect(recreation([lost, made, ready])).toBe(ready);
  expect(recreation([lost, ready])).toBeUndefined();
  expect(recreation([made, ready])).toBeUndefined();
});
