import { expect, test } from 'vitest';
import { makeEvent } from '../../../test/make';
import { resourcesOf } from './resources';
import { stepsOf } from './steps';

const state = (n: number, name: string) =>
  makeEvent(n, { type: 'STATE_CHANGED', details: { state: name }, message: name });
const begun = (n: number, step: string) => makeEvent(n, { type: 'STEP_STARTED', step });
const done = (n: number, step: string, seconds: string) =>
  makeEvent(n, { type: 'STEP_SUCCEEDED', step, details: { seconds } });
const shown = (events: ReturnType<typeof makeEvent>[]) =>
  stepsOf(events, 'op-1').map(({ name, status }) => `${name} ${status}`);

const begin = [state(1, 'PROVISIONING'), begun(2, 'NAMESPACE'), done(3, 'NAMESPACE', '0.120'), begun(4, 'SECRETS')];

test('a creation shows what is done, what goes on and what is to come', () => {
  expect(shown(begin)).toEqual([
    'NAMESPACE done',
    'SECRETS active',
    'INSTALL pending',
    'ROLLOUT pending',
    'VERIFY pending',
  ]);
  expect(stepsOf(begin, 'op-1')[0]?.seconds).toBe(0.12);
});

test('a step that was skipped stays so when it is done', () => {
  const events = [
    ...begin,
    begun(5, 'VERIFY'),
    makeEvent(6, { type: 'STEP_SKIPPED', step: 'VERIFY', message: 'Skipped: simulated' }),
    done(7, 'VERIFY', '0.010'),
  ];
  expect(stepsOf(events, 'op-1').at(-1)).toMatchObject({ status: 'skipped', note: 'Skipped: simulated' });
});

test('a failure is the failure of the step that it happened in', () => {
  const failed = makeEvent(9, {
    type: 'STEP_FAILED',
    step: 'SECRETS',
    message: 'No.',
    details: { reason: 'CLUSTER_FORBIDDEN' },
  });
  const events = [...begin, failed, state(10, 'FAILED')];
  expect(stepsOf(events, 'op-1')[1]).toMatchObject({ status: 'failed', note: 'No.', seconds: 5 });
});

test('what is taken back after a cancellation follows the step where it stopped', () => {
  const undo = makeEvent(5, { type: 'UNDO_STARTED', message: 'Taking back', details: { reason: 'CANCELLED' } });
  const events = [...begin, undo, begun(6, 'NAMESPACE_GONE'), done(7, 'NAMESPACE_GONE', '2.5'), state(8, 'FAILED')];
  expect(shown(events)).toEqual(['NAMESPACE done', 'SECRETS failed', 'NAMESPACE_GONE done']);
});

test('only the events of that operation count, and a deletion has steps of its own', () => {
  const deletion = [
    makeEvent(20, { operationId: 'op-2', type: 'STATE_CHANGED', details: { state: 'DELETING' } }),
    makeEvent(21, { operationId: 'op-2', type: 'STEP_STARTED', step: 'UNINSTALL' }),
  ];
  const steps = stepsOf([...begin, ...deletion], 'op-2');
  expect(steps.map(({ name, status }) => `${name} ${status}`)).toEqual(['UNINSTALL active', 'NAMESPACE_GONE pending']);
});

test('resources are shown as they were seen last, pods below what made them', () => {
  const change = (n: number, kind: string, name: string, phase: string, ready: string, desired = '1') =>
    makeEvent(n, { type: 'RESOURCE_CHANGED', details: { kind, name, phase, ready, desired } });
  const tree = resourcesOf([
    change(1, 'Pod', 'web-5d9c7-x2x8v', 'Pending', '0'),
    change(2, 'Deployment', 'web', '0/1', '0'),
    change(3, 'StatefulSet', 'web-database', '1/1', '1'),
    change(4, 'Pod', 'web-database-0', 'Ready', '1'),
    change(5, 'Pod', 'web-5d9c7-x2x8v', 'Ready', '1'),
    change(6, 'Deployment', 'web', '1/1', '1'),
    change(7, 'PersistentVolumeClaim', 'data-web-database-0', 'Bound', '1'),
  ]);
  const shape = tree.map(({ name, phase, children }) => [
    name,
    phase,
    children.map((child) => `${child.name} ${child.phase}`),
  ]);
  expect(shape).toEqual([
    ['web-database', '1/1', ['web-database-0 Ready']],
    ['web', '1/1', ['web-5d9c7-x2x8v Ready']],
    ['data-web-database-0', 'Bound', []],
  ]);
});
