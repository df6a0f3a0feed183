import { expect, test } from 'vitest';
import { StoreState } from '@/gen/storeplane/v1/store_pb';
import { makeEvent, makeStore } from '../../test/make';
import { patchStore } from './patch';

const waiting = makeEvent(2, {
  type: 'WAITING',
  message: 'Pod web-1 waits for a node.',
  details: { reason: 'UNSCHEDULABLE', remedy: 'Add nodes.', observed: 'one\ntwo' },
});

test('what a store waits for is shown, and is over with its step', () => {
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

test('a store that becomes ready has no step and no cause any more, and was ready from then on', () => {
  const ready = makeEvent(3, { type: 'STATE_CHANGED', message: 'ready', details: { state: 'READY' } });
  const store = patchStore(patchStore(makeStore({ step: 'VERIFY' }), waiting), ready);
  expect(store).toMatchObject({ state: StoreState.READY, step: '', reason: '', message: '', readyTime: ready.time });
  const again = patchStore(store, makeEvent(9, { type: 'STATE_CHANGED', details: { state: 'READY' } }));
  expect(again.readyTime).toEqual(ready.time);
});

test('what is known already, and what happened to another store of that id, changes nothing', () => {
  const store = makeStore({ lastSequence: 2n });
  expect(patchStore(store, waiting)).toBe(store);
  expect(patchStore(store, makeEvent(3, { uid: 'uid-other', type: 'STEP_STARTED', step: 'INSTALL' }))).toBe(store);
});

test('a store that is degraded for another reason by now shows that one', () => {
  const before = makeStore({ state: StoreState.DEGRADED, reason: 'CRASH_LOOP', message: 'It ends again and again.' });
  const changed = makeEvent(2, {
    type: 'CAUSE_CHANGED',
    message: 'Its image is gone.',
    details: { reason: 'IMAGE_PULL_FAILED' },
  });
  expect(patchStore(before, changed)).toMatchObject({
    state: StoreState.DEGRADED,
    reason: 'IMAGE_PULL_FAILED',
    message: 'Its image is gone.',
  });
});

test('a type of event that is not known moves the sequence alone', () => {
  const store = makeStore();
  expect(patchStore(store, makeEvent(2, { type: 'SOMETHING_NEW' }))).toMatchObject({
    state: store.state,
    lastSequence: 2n,
  });
});
