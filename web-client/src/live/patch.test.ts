import { expect, test } from 'vitest';
import { StoreState } from '@/gen/storeplane/v1/store_pb';
import { makeEvent, makeStore } from '../../test/fixtures';
import { patchStore } from './patch';

const waiting = makeEvent(2, {
  type: 'WAITING',
  message: 'Pod web-1 is waiting for a node.',
  details: { reason: 'UNSCHEDULABLE', remedy: 'Add nodes.', observed: 'one\ntwo' },
});

test('a waiting reason is shown until its step succeeds', () => {
  const store = patchStore(makeStore(), waiting);
  expect(store).toMatchObject({
    reason: 'UNSCHEDULABLE',
    message: waiting.message,
    remedy: 'Add nodes.',
    details: ['one', 'two'],
    lastSequence: 2n,
  });
  const after = patchStore(store, makeEvent(3, { type: 'STEP_SUCCEEDED' }));
  expect(after).toMatchObject({ reason: '', message: '', details: [] });
});

test('READY clears step and cause, and sets ready_time once', () => {
  const ready = makeEvent(3, { type: 'STATE_CHANGED', message: 'ready', details: { state: 'READY' } });
  const store = patchStore(patchStore(makeStore({ step: 'VERIFY' }), waiting), ready);
  expect(store).toMatchObject({ state: StoreState.READY, step: '', reason: '', message: '', readyTime: ready.time });
  expect(store.stateTime).toEqual(ready.time);
  const again = patchStore(store, makeEvent(9, { type: 'STATE_CHANGED', details: { state: 'READY' } }));
  expect(again.readyTime).toEqual(ready.time);
});

test('known events and events of another store with the same id change nothing', () => {
  const store = makeStore({ lastSequence: 2n });
  expect(patchStore(store, waiting)).toBe(store);
  expect(patchStore(store, makeEvent(3, { uid: 'uid-other', type: 'STEP_STARTED', step: 'INSTALL' }))).toBe(store);
});

test('CAUSE_CHANGED replaces the cause of a degraded store', () => {
  const before = makeStore({
    state: StoreState.DEGRADED,
    reason: 'CRASH_LOOP',
    message: 'Container web exits repeatedly.',
  });
  const changed = makeEvent(2, {
    type: 'CAUSE_CHANGED',
    message: 'Image web:2 was not found.',
    details: { reason: 'IMAGE_PULL_FAILED' },
  });
  expect(patchStore(before, changed)).toMatchObject({
    state: StoreState.DEGRADED,
    reason: 'IMAGE_PULL_FAILED',
    message: 'Image web:2 was not found.',
  });
});

test('a backup changes the step, and neither the state of a degraded store nor its cause', () => {
  const cause = { reason: 'CRASH_LOOP', message: 'Container web exits repeatedly.', details: ['exit 1'] };
  const before = makeStore({ state: StoreState.DEGRADED, operation: 'op-0', ...cause });
  const details = { reason: 'BACKUP_STORAGE_UNAVAILABLE' };
  const running = [
    makeEvent(2, { type: 'BACKUP_REQUESTED' }),
    makeEvent(3, { type: 'STEP_STARTED', step: 'BACK_UP' }),
    makeEvent(4, { type: 'WAITING', message: 'No answer.', details }),
    makeEvent(5, { type: 'STEP_RETRIED', message: 'No answer.', details }),
    makeEvent(6, { type: 'STEP_SUCCEEDED', step: 'BACK_UP' }),
  ].reduce(patchStore, before);
  expect(running).toMatchObject({ ...cause, state: StoreState.DEGRADED, step: 'BACK_UP', operation: 'op-1' });
  for (const type of ['BACKUP_COMPLETED', 'BACKUP_FAILED']) {
    expect(patchStore(running, makeEvent(7, { type }))).toMatchObject({ ...cause, step: '' });
  }
});

test('a backup that ends in the middle of a restore does not end its step', () => {
  const restoring = makeStore({ state: StoreState.UPDATING, step: 'VERIFY_BACKUP' });
  expect(patchStore(restoring, makeEvent(2, { type: 'BACKUP_COMPLETED' })).step).toBe('VERIFY_BACKUP');
});

test('STORE_UPDATED sets the fields that it names', () => {
  const on = makeEvent(2, { type: 'STORE_UPDATED', details: { actor: 'ci', deletion_protection: 'true' } });
  const store = patchStore(makeStore(), on);
  expect(store.deletionProtection).toBe(true);
  const other = makeEvent(3, { type: 'STORE_UPDATED', details: { actor: 'ci' } });
  expect(patchStore(store, other).deletionProtection).toBe(true);
});

test('an unknown event type only advances the sequence', () => {
  const store = makeStore();
  expect(patchStore(store, makeEvent(2, { type: 'SOMETHING_NEW' }))).toMatchObject({
    state: store.state,
    lastSequence: 2n,
  });
});
