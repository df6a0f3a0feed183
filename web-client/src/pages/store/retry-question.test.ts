import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { expect, test } from 'vitest';
import { OperationKind, OperationSchema, OperationState } from '@/gen/storeplane/v1/operation_pb';
import { StoreState } from '@/gen/storeplane/v1/store_pb';
import { BEGIN, makeStore } from '../../../test/fixtures';
import { retryQuestion } from './retry-question';

const readyTime = timestampFromMs(BEGIN);
const { READY, DEGRADED, FAILED, PROVISIONING, DELETED } = StoreState;

test.each([
  [{ state: DEGRADED, reason: 'NAMESPACE_MISSING', readyTime }, 'Create a new, empty shop?', true],
  [{ state: FAILED, reason: 'NAMESPACE_MISSING', readyTime }, 'Create a new, empty shop?', true],
  [{ state: FAILED, reason: 'NAMESPACE_MISSING' }, 'Retry?', false],
  [{ state: DEGRADED, reason: 'CRASH_LOOP', readyTime }, 'Retry?', false],
  [{ state: READY, readyTime }, 'Apply the chart again?', true],
] as const)('a retry of %o asks %s', (store, title, mustConfirm) => {
  expect(retryQuestion(makeStore(store), [])).toMatchObject({ title, mustConfirm });
});

test('a failed deletion is continued, and a busy or deleted store has no retry', () => {
  const deletion = create(OperationSchema, { operationId: 'op-1', kind: OperationKind.DELETE });
  expect(retryQuestion(makeStore({ state: FAILED }), [deletion])?.action).toBe('Retry the deletion');
  expect(retryQuestion(makeStore({ state: PROVISIONING }), [])).toBeUndefined();
  expect(retryQuestion(makeStore({ state: DELETED }), [])).toBeUndefined();
});

test('a store that is being backed up has no retry', () => {
  const part = { operationId: 'op-1', kind: OperationKind.BACKUP };
  const retry = (state: OperationState) =>
    retryQuestion(makeStore({ state: READY, readyTime }), [create(OperationSchema, { ...part, state })]);
  expect(retry(OperationState.RUNNING)).toBeUndefined();
  expect(retry(OperationState.SUCCEEDED)?.label).toBe('Reapply chart');
});
