import { expect, test } from 'vitest';
import { makeEvent } from '../../../test/fixtures';
import { stepsOf } from './steps';

const state = (n: number, name: string) =>
  makeEvent(n, { type: 'STATE_CHANGED', details: { state: name }, message: name });
const started = (n: number, step: string) => makeEvent(n, { type: 'STEP_STARTED', step });
const done = (n: number, step: string, seconds: string) =>
  makeEvent(n, { type: 'STEP_SUCCEEDED', step, details: { seconds } });
const shown = (events: ReturnType<typeof makeEvent>[]) =>
  stepsOf(events, 'op-1').map(({ name, status }) => `${name} ${status}`);

const begin = [state(1, 'PROVISIONING'), started(2, 'NAMESPACE'), done(3, 'NAMESPACE', '0.120'), started(4, 'SECRETS')];

test('a creation shows its steps as done, active and pending', () => {
  expect(shown(begin)).toEqual([
    'NAMESPACE done',
    'SECRETS active',
    'INSTALL pending',
    'ROLLOUT pending',
    'VERIFY pending',
  ]);
  expect(stepsOf(begin, 'op-1')[0]?.seconds).toBe(0.12);
});

test('a skipped step stays skipped when it succeeds', () => {
  const events = [
    ...begin,
    started(5, 'VERIFY'),
    makeEvent(6, { type: 'STEP_SKIPPED', step: 'VERIFY', message: 'Skipped: simulated' }),
    done(7, 'VERIFY', '0.010'),
  ];
  expect(stepsOf(events, 'op-1').at(-1)).toMatchObject({ status: 'skipped', note: 'Skipped: simulated' });
});

test('a failure marks the step in which it happened', () => {
  const failed = makeEvent(9, {
    type: 'STEP_FAILED',
    step: 'SECRETS',
    message: 'No.',
    details: { reason: 'CLUSTER_FORBIDDEN' },
  });
  const events = [...begin, failed, state(10, 'FAILED')];
  expect(stepsOf(events, 'op-1')[1]).toMatchObject({ status: 'failed', note: 'No.', seconds: 5 });
});

test('undo steps follow the step that was cancelled', () => {
  const undo = makeEvent(5, { type: 'UNDO_STARTED', message: 'Rolling back', details: { reason: 'CANCELLED' } });
  const events = [...begin, undo, started(6, 'NAMESPACE_GONE'), done(7, 'NAMESPACE_GONE', '2.5'), state(8, 'FAILED')];
  expect(shown(events)).toEqual(['NAMESPACE done', 'SECRETS failed', 'NAMESPACE_GONE done']);
});

test('a deletion has its own steps, and other operations are ignored', () => {
  const deletion = [
    makeEvent(20, { operationId: 'op-2', type: 'STATE_CHANGED', details: { state: 'DELETING' } }),
    makeEvent(21, { operationId: 'op-2', type: 'STEP_STARTED', step: 'UNINSTALL' }),
  ];
  const steps = stepsOf([...begin, ...deletion], 'op-2');
  expect(steps.map(({ name, status }) => `${name} ${status}`)).toEqual(['UNINSTALL active', 'NAMESPACE_GONE pending']);
});
