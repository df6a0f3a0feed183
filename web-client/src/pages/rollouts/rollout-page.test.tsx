import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError } from '@connectrpc/connect';
import { screen, waitFor, within } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { beforeAll, expect, test } from 'vitest';
import {
  type RolloutSchema,
  RolloutState,
  type RolloutStoreSchema,
  RolloutStoreState,
  type WatchRolloutResponseSchema,
} from '@/gen/storeplane/v1/rollout_service_pb';
import { BEGIN } from '../../../test/fixtures';
import { FakeStream, RENDERED, renderApp } from '../../../test/render-app';
import { loadRollouts } from './lazy-rollouts';

// On a busy machine, this takes longer than a test waits.
beforeAll(() => loadRollouts(), 60_000);

const ROLLOUT = {
  rolloutId: 'r1',
  displayName: 'July update',
  filter: 'plan = small',
  target: { store: { engineVersion: '0.2.0' }, updateMask: { paths: ['engine_version'] } },
  state: RolloutState.RUNNING,
  waves: [
    { size: { case: 'stores', value: 2 } as const, storeCount: 2 },
    { size: { case: 'percent', value: 100 } as const, storeCount: 1200 },
  ],
  wave: 2,
  parallelism: 4,
  failureBudget: { percent: 2 },
  soak: { seconds: 600n },
  window: { start: '22:00', end: '06:00' },
  counts: { total: 1202, succeeded: 2, failed: 1, running: 1, pending: 1198 },
  createdBy: 'ada',
  createTime: timestampFromMs(BEGIN),
} satisfies MessageInitShape<typeof RolloutSchema>;

const { PENDING, RUNNING, SUCCEEDED, FAILED } = RolloutStoreState;
const store = (
  storeId: string,
  wave: number,
  state = PENDING,
  part: MessageInitShape<typeof RolloutStoreSchema> = {},
) => ({
  storeId,
  storeUid: `uid-${storeId}`,
  wave,
  state,
  ...part,
});
const STORES = [
  store('tea', 1, SUCCEEDED),
  store('coffee', 1, SUCCEEDED),
  ...Array.from({ length: 1198 }, (_, n) => store(`shop-${String(n).padStart(4, '0')}`, 2)),
  store('water', 2, RUNNING),
  store('wine', 2, FAILED, { reason: 'IMAGE_PULL_FAILED', message: 'The image does not exist.' }),
];

function setUp({ role = 'operator', state = RolloutState.RUNNING as RolloutState } = {}) {
  type Message = MessageInitShape<typeof WatchRolloutResponseSchema>;
  const watch = new FakeStream<Message>({ rollout: { ...ROLLOUT, state }, stores: STORES, version: 7n });
  const versions: bigint[] = [];
  const calls: unknown[] = [];
  const server = { isDown: false };
  const called = (name: string, { rolloutId, rollBack }: { rolloutId: string; rollBack?: boolean }) => {
    calls.push([name, rolloutId, rollBack]);
    return {};
  };
  renderApp({
    path: '/rollouts/r1',
    role,
    rollouts: {
      watchRollout: ({ afterVersion }, { signal }) => {
        versions.push(afterVersion);
        if (server.isDown) throw new ConnectError('down', Code.Unavailable);
        return watch.stream(signal);
      },
      pauseRollout: (request) => called('pause', request),
      resumeRollout: (request) => called('resume', request),
      abortRollout: (request) => called('abort', request),
    },
  });
  return { watch, versions, calls, server };
}

const ready = () => screen.findByRole('heading', { level: 1, name: 'July update' }, RENDERED);
const wave = (number: number) => {
  const panel = document.querySelector<HTMLElement>(`[data-wave="${number}"]`);
  if (!panel) throw new Error(`there is no wave ${number}`);
  return panel;
};
const groups = (number: number) =>
  [...wave(number).querySelectorAll<HTMLElement>('[data-group]')].map(({ dataset }) => dataset.group);
const items = (number: number) =>
  [...wave(number).querySelectorAll<HTMLElement>('[data-rollout-store]')].map(({ dataset }) => dataset.rolloutStore);

test('waves show their stores by state, failed ones first with the reason, and large groups in parts', async () => {
  setUp();
  await ready();
  screen.getByText('Wave 2 of 2');
  screen.getByText('22:00 to 06:00 UTC');
  screen.getByText('None in the first wave, then at most 2 % of all stores');
  expect(screen.getByTestId('counts').textContent).toBe('1 failed, 1 running, 2 succeeded, 1,198 pending');
  expect(groups(1)).toEqual(['SUCCEEDED']);
  expect(items(1)).toEqual(['coffee', 'tea']);
  expect(groups(2)).toEqual(['FAILED', 'RUNNING', 'PENDING']);
  expect(items(2)).toEqual(['wine', 'water']);
  const failed = within(wave(2).querySelector('[data-rollout-store=wine]') as HTMLElement);
  failed.getByText('Image pull failed');
  failed.getByText(/The image does not exist\./);
  expect(failed.getByRole('link').getAttribute('href')).toBe('/stores/wine?uid=uid-wine');

  const pending = within(wave(2)).getByText('Pending').closest('button') as HTMLElement;
  expect(pending.getAttribute('aria-expanded')).toBe('false');
  await userEvent.click(pending);
  expect(pending.getAttribute('aria-expanded')).toBe('true');
  expect(items(2)).toHaveLength(52);
  await userEvent.click(within(wave(2)).getByText('Show 50 more of 1,148'));
  expect(items(2)).toHaveLength(102);
  await userEvent.click(pending);
  expect(items(2)).toHaveLength(2);
});

test('what changes is shown live; a lost watch resumes, and only a lasting loss is reported', async () => {
  const { watch, versions, server } = setUp();
  await ready();
  const message = '3 % failed.';
  const reason = 'FAILURE_BUDGET_EXCEEDED';
  const paused = { ...ROLLOUT, state: RolloutState.PAUSED, reason, message };
  watch.send({ rollout: paused, stores: [store('water', 2, FAILED, { reason: 'TIMEOUT' })], version: 8n });
  await screen.findByText('Paused');
  expect(screen.getByText('Paused').closest('[role=status]')).not.toBeNull();
  expect(screen.getByTestId('cause').textContent).toContain('3 % failed.');
  expect(items(2)).toEqual(['water', 'wine']);
  watch.fail(new ConnectError('gone', Code.Unavailable));
  await waitFor(() => expect(versions).toEqual([0n, 8n]));
  expect(screen.queryByTestId('stale')).toBeNull();
  server.isDown = true;
  watch.fail(new ConnectError('gone', Code.Unavailable));
  await waitFor(() => expect(screen.getByTestId('stale').textContent).toMatch(/^Showing data from .*, reconnecting/));
  expect(items(2)).toEqual(['water', 'wine']);
  server.isDown = false;
  watch.send({ version: 8n });
  await waitFor(() => expect(screen.queryByTestId('stale')).toBeNull());
  expect(new Set(versions)).toEqual(new Set([0n, 8n]));
  watch.send({ rollout: { ...ROLLOUT, state: RolloutState.COMPLETED }, version: 9n });
  await screen.findByText('Completed');
  expect(items(2)).toEqual(['water', 'wine']);
  expect(screen.queryByRole('button', { name: 'Abort' })).toBeNull();
});

test('an operator pauses a rollout, and aborts it only once that was typed', async () => {
  const { calls } = setUp();
  await ready();
  await userEvent.click(await screen.findByText('Pause', undefined, RENDERED));
  const pause = within(await screen.findByRole('dialog', { name: 'Pause this rollout?' }));
  pause.getByText(/1 operation that runs already will go on/);
  await userEvent.click(pause.getByRole('button', { name: 'Pause rollout' }));
  await waitFor(() => expect(calls).toEqual([['pause', 'r1', undefined]]));

  await userEvent.click(screen.getByText('Abort'));
  const abort = within(await screen.findByRole('dialog', { name: 'Abort this rollout?' }));
  abort.getByText('2 stores have been changed by now.');
  await userEvent.click(abort.getByLabelText('Return changed stores to their former revisions'));
  expect(abort.getByRole('button', { name: 'Abort rollout' })).toHaveProperty('disabled', true);
  await userEvent.type(abort.getByLabelText('Type abort rollout to confirm'), 'abort rollout');
  await userEvent.click(abort.getByRole('button', { name: 'Abort rollout' }));
  await waitFor(() => expect(calls.at(-1)).toEqual(['abort', 'r1', true]));
});

test('a paused rollout is resumed; the failures until then no longer count', async () => {
  const { calls } = setUp({ state: RolloutState.PAUSED });
  await ready();
  expect(screen.queryByText('Pause')).toBeNull();
  await userEvent.click(await screen.findByText('Resume', undefined, RENDERED));
  const resume = within(await screen.findByRole('dialog', { name: 'Resume this rollout?' }));
  resume.getByText('The store that has failed no longer counts towards the failure budget.');
  await userEvent.click(resume.getByRole('button', { name: 'Resume rollout' }));
  await waitFor(() => expect(calls).toEqual([['resume', 'r1', undefined]]));
});

test('a viewer only watches', async () => {
  setUp({ role: 'viewer' });
  await ready();
  await screen.findByText(/ · default$/, undefined, RENDERED);
  for (const action of ['Pause', 'Resume', 'Abort']) expect(screen.queryByText(action)).toBeNull();
});

test('a rollout that does not exist is reported, and not asked for again', async () => {
  const { watch, versions } = setUp();
  watch.fail(new ConnectError('rollout r1 not found', Code.NotFound));
  await screen.findByRole('heading', { level: 1, name: 'Rollout not found' }, RENDERED);
  screen.getByRole('link', { name: 'All rollouts' });
  expect(versions).toEqual([0n]);
});
