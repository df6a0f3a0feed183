import { expect, test } from 'vitest';
import { OperationKind } from '@/gen/storeplane/v1/operation_pb';
import { makeEvent } from '../../../test/fixtures';
import { stepsOf } from './steps';

const state = (n: number, name: string) =>
  makeEvent(n, { type: 'STATE_CHANGED', details: { state: name }, message: name });
const started = (n: number, step: string) => makeEvent(n, { type: 'STEP_STARTED', step });
const done = (n: number, step: string, seconds: string) =>
  makeEvent(n, { type: 'STEP_SUCCEEDED', step, details: { seconds } });
const shown = (events: ReturnType<typeof makeEvent>[], kind?: OperationKind) =>
  stepsOf(events, 'op-1', kind).map(({ name, status }) => `${name} ${status}`);

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

const backup = [makeEvent(1, { type: 'BACKUP_REQUESTED' }), started(2, 'BACK_UP'), done(3, 'BACK_UP', '4.2')];

test('a backup has its own steps', () => {
  expect(shown(backup)).toEqual(['BACK_UP done', 'VERIFY_BACKUP pending']);
  // The store's state may change meanwhile.
  expect(shown([...backup, state(4, 'DEGRADED'), started(5, 'VERIFY_BACKUP')]).at(-1)).toBe('VERIFY_BACKUP active');
});

test('a backup that ends without a result marks the step in which it was', () => {
  const failed = makeEvent(6, { type: 'BACKUP_FAILED', message: 'Cancelled.', details: { reason: 'CANCELLED' } });
  const steps = stepsOf([...backup, started(5, 'VERIFY_BACKUP'), failed], 'op-1');
  expect(steps[1]).toMatchObject({ name: 'VERIFY_BACKUP', status: 'failed', note: 'Cancelled.' });
});

const restore = [
  makeEvent(1, { type: 'RESTORE_REQUESTED' }),
  state(2, 'UPDATING'),
  started(3, 'MAINTENANCE'),
  done(4, 'MAINTENANCE', '1.5'),
];

test('a restore shows its plan, also before its operation is loaded', () => {
  const steps = [
    'MAINTENANCE done',
    'BACK_UP pending',
    'VERIFY_BACKUP pending',
    'RESTORE pending',
    'END_MAINTENANCE pending',
    'ROLLOUT pending',
    'VERIFY pending',
  ];
  expect(shown(restore)).toEqual(steps);
  // Its first events may no longer be retained.
  expect(shown(restore.slice(2), OperationKind.RESTORE)).toEqual(steps);
});

test('a copy shows the steps of a creation and the restore, also before its operation is loaded', () => {
  const steps = [
    'NAMESPACE done',
    'SECRETS done',
    'INSTALL done',
    'RESTORE active',
    'ROLLOUT pending',
    'VERIFY pending',
  ];
  const installed = [...begin, done(5, 'SECRETS', '0.1'), started(6, 'INSTALL'), done(7, 'INSTALL', '1')];
  const events = [...installed, started(8, 'RESTORE')];
  expect(shown(events)).toEqual(steps);
  expect(shown(events, OperationKind.COPY)).toEqual(steps);
  expect(shown(installed, OperationKind.COPY)[3]).toBe('RESTORE pending');
});

test('a restore that skips the backup of the present data has no steps for it', () => {
  expect(shown([...restore, started(5, 'RESTORE')])).toEqual([
    'MAINTENANCE done',
    'RESTORE active',
    'END_MAINTENANCE pending',
    'ROLLOUT pending',
    'VERIFY pending',
  ]);
  const backedUp = [started(5, 'BACK_UP'), done(6, 'BACK_UP', '2'), started(7, 'VERIFY_BACKUP')];
  const verified = [...restore, ...backedUp, done(8, 'VERIFY_BACKUP', '2'), started(9, 'RESTORE')];
  expect(shown(verified).slice(0, 4)).toEqual([
    'MAINTENANCE done',
    'BACK_UP done',
    'VERIFY_BACKUP done',
    'RESTORE active',
  ]);
});

test('a restore that fails puts the shop back online by an undo step, without the steps that would have followed', () => {
  const failed = [
    started(5, 'BACK_UP'),
    makeEvent(6, { type: 'STEP_FAILED', step: 'BACK_UP', message: 'Full.' }),
    makeEvent(7, { type: 'UNDO_STARTED', message: 'Rolling back: Full.' }),
    started(8, 'END_MAINTENANCE'),
  ];
  const steps = stepsOf([...restore, ...failed], 'op-1', OperationKind.RESTORE);
  expect(steps.map(({ name, status, undo }) => `${name} ${status} ${undo}`)).toEqual([
    'MAINTENANCE done false',
    'BACK_UP failed false',
    'END_MAINTENANCE active true',
  ]);
});

test('a rotation has its own steps', () => {
  const rotation = [state(1, 'UPDATING'), started(2, 'ROTATE_SECRETS')];
  expect(shown(rotation, OperationKind.ROTATE_CREDENTIALS)).toEqual([
    'ROTATE_SECRETS active',
    'ROLLOUT pending',
    'VERIFY pending',
  ]);
});

test('an update that takes the shop offline backs it up first', () => {
  const offline = [
    state(1, 'UPDATING'),
    started(2, 'MAINTENANCE'),
    done(3, 'MAINTENANCE', '1.0'),
    started(4, 'BACK_UP'),
  ];
  expect(shown(offline, OperationKind.UPDATE)).toEqual([
    'MAINTENANCE done',
    'BACK_UP active',
    'VERIFY_BACKUP pending',
    'UPGRADE pending',
    'ROLLOUT pending',
    'VERIFY pending',
    'END_MAINTENANCE pending',
  ]);
});

test('a rollback that replaces the data is known by its backup, and restores before the shop starts', () => {
  const requested = makeEvent(1, { type: 'STORE_UPDATED', details: { backup_id: 'b-1', revision: '1' } });
  const seen = [requested, started(2, 'MAINTENANCE'), started(3, 'UPGRADE')];
  const names = stepsOf(seen, 'op-1').map(({ name }) => name);
  expect(names.slice(3)).toEqual(['UPGRADE', 'RESTORE', 'START', 'ROLLOUT', 'VERIFY', 'END_MAINTENANCE']);
});

test('an update that is undone applies the previous chart', () => {
  const begin = [state(1, 'UPDATING'), started(2, 'UPGRADE')];
  expect(shown(begin)).toEqual(['UPGRADE active', 'ROLLOUT pending', 'VERIFY pending']);
  const undo = makeEvent(5, { type: 'UNDO_STARTED', message: 'Rolling back' });
  const events = [...begin, done(3, 'UPGRADE', '2.0'), started(4, 'ROLLOUT'), undo, started(6, 'REVERT')];
  expect(shown(events, OperationKind.UPDATE)).toEqual(['UPGRADE done', 'ROLLOUT failed', 'REVERT active']);
  const steps = stepsOf([...events, done(7, 'REVERT', '1.0'), started(8, 'ROLLOUT')], 'op-1', OperationKind.UPDATE);
  expect(steps.at(-1)).toMatchObject({ name: 'ROLLOUT', status: 'active', undo: true });
});
