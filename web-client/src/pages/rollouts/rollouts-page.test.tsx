import { clone, create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError } from '@connectrpc/connect';
import { screen, waitFor, within } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { beforeAll, expect, test } from 'vitest';
import { BadRequestSchema, ErrorInfoSchema } from '@/gen/google/rpc/error_details_pb';
import {
  type CreateRolloutRequest,
  RolloutCountsSchema,
  RolloutSchema,
  RolloutState,
  RolloutWaveSchema,
} from '@/gen/storeplane/v1/rollout_service_pb';
import { StoreEnvironment } from '@/gen/storeplane/v1/store_pb';
import { BEGIN, makeStore } from '../../../test/fixtures';
import { RENDERED, renderApp } from '../../../test/render-app';
import { loadRollouts } from './lazy-rollouts';

// On a busy machine, this takes longer than a test waits.
beforeAll(() => loadRollouts(), 60_000);

const RUNNING = {
  rolloutId: 'r2',
  displayName: 'July update',
  filter: '*',
  target: { store: { engineVersion: '0.2.0' }, updateMask: { paths: ['engine_version'] } },
  state: RolloutState.RUNNING,
  waves: [{ storeCount: 1 }, { storeCount: 9 }],
  wave: 2,
  counts: { total: 10, succeeded: 6, failed: 1, pending: 3 },
  createdBy: 'ada',
  createTime: timestampFromMs(BEGIN),
};
const PAUSED = {
  ...RUNNING,
  rolloutId: 'r1',
  displayName: '',
  filter: 'plan = small',
  state: RolloutState.PAUSED,
  reason: 'FAILURE_BUDGET_EXCEEDED',
};
const row = (id: string) => within(document.querySelector(`[data-rollout=${id}]`) as HTMLElement);

test('each rollout shows its stores, target, state, progress and who created it', async () => {
  renderApp({ path: '/rollouts', rollouts: { listRollouts: () => ({ rollouts: [RUNNING, PAUSED] }) } });
  const link = await screen.findByRole('link', { name: 'July update' }, RENDERED);
  expect(link.getAttribute('href')).toBe('/rollouts/r2');
  row('r2').getByText('Version 0.2.0');
  row('r2').getByText('Running');
  row('r2').getByText('Wave 2 of 2');
  row('r2').getByText('by ada');
  row('r2').getByText('1 failed, 6 succeeded, 3 pending');
  row('r2').getByRole('img', { name: 'Stores: 1 failed, 6 succeeded, 3 pending' });
  row('r1').getByRole('link', { name: 'plan = small' });
  row('r1').getByText('Failure budget exceeded');
});

test('a token that is limited to some stores is told why it sees no rollouts', async () => {
  const error = new ConnectError('a token that is limited to some stores cannot use rollouts', Code.PermissionDenied);
  error.details.push({ desc: ErrorInfoSchema, value: { reason: 'STORE_OUTSIDE_SCOPE' } });
  renderApp({
    path: '/rollouts',
    rollouts: {
      listRollouts: () => {
        throw error;
      },
    },
  });
  await screen.findByText(/Your token is limited to some stores/, undefined, RENDERED);
  expect(screen.queryByRole('alert')).toBeNull();
});

test('a viewer sees rollouts and starts none', async () => {
  renderApp({ path: '/rollouts', role: 'viewer', rollouts: { listRollouts: () => ({ rollouts: [RUNNING] }) } });
  await screen.findByRole('link', { name: 'July update' }, RENDERED);
  await screen.findByText(/ · default$/, undefined, RENDERED);
  expect(screen.queryByRole('button', { name: 'New rollout' })).toBeNull();
});

const WAVES = [
  create(RolloutWaveSchema, { size: { case: 'stores', value: 1 }, storeCount: 1 }),
  create(RolloutWaveSchema, { size: { case: 'percent', value: 100 }, storeCount: 11 }),
];

/** A server that previews and creates rollouts; `refusal` is thrown instead. */
function setUp(path = '/rollouts') {
  const requests: CreateRolloutRequest[] = [];
  const server = { refusal: undefined as unknown };
  const { router } = renderApp({
    path,
    rollouts: {
      createRollout: (request) => {
        requests.push(request);
        if (server.refusal) throw server.refusal;
        const answer = request.rollout ? clone(RolloutSchema, request.rollout) : create(RolloutSchema);
        return Object.assign(answer, {
          rolloutId: 'r3',
          waves: WAVES,
          counts: create(RolloutCountsSchema, { total: 12, pending: 12 }),
        });
      },
      watchRollout: async function* () {
        yield { rollout: { ...RUNNING, rolloutId: 'r3', displayName: 'Started' }, version: 1n };
        await new Promise(() => {});
      },
    },
  });
  const sent = () => requests.filter(({ validateOnly }) => !validateOnly);
  return { requests, sent, server, router };
}

const dialog = async () => within(await screen.findByRole('dialog', { name: 'New rollout' }, RENDERED));
const open = async () => {
  await userEvent.click(await screen.findByRole('button', { name: 'New rollout' }, RENDERED));
  return dialog();
};
type Dialog = Awaited<ReturnType<typeof dialog>>;
const press = (dialog: Dialog, name: string) => userEvent.click(dialog.getByRole('button', { name }));

test('a rollout is counted, previewed with its waves, and starts as it was previewed', async () => {
  const { requests, sent, router } = setUp();
  const form = await open();
  expect(form.getByLabelText('Waves')).toHaveProperty('value', '1, 1%, 10%, 50%, 100%');
  await userEvent.type(form.getByLabelText('Stores'), 'plan = small');
  await waitFor(() => expect(form.getByTestId('matching').textContent).toBe('12 stores match'));
  await userEvent.selectOptions(form.getByLabelText('Change'), 'plan');
  await userEvent.selectOptions(form.getByLabelText('To plan'), 'large');
  await press(form, 'Preview rollout');
  const preview = await form.findByTestId('rollout-preview');
  expect(
    within(preview)
      .getAllByRole('listitem')
      .map(({ textContent }) => textContent),
  ).toEqual(['Wave 1: 1 store (up to 1 store)', 'Wave 2: 11 stores (up to 100 % of all stores)']);
  within(preview).getByText('Plan large');
  expect(sent()).toHaveLength(0);
  await press(form, 'Change 12 stores');
  await screen.findByRole('heading', { level: 1, name: 'Started' }, RENDERED);
  expect(router.state.location.pathname).toBe('/rollouts/r3');
  expect(sent()).toHaveLength(1);
  expect(sent()[0]?.rollout).toMatchObject({
    filter: 'plan = small',
    parallelism: 4,
    target: { store: { plan: 'large' }, updateMask: { paths: ['plan'] } },
  });
  expect(sent()[0]?.rollout).toEqual(requests.findLast(({ validateOnly }) => validateOnly)?.rollout);
  expect(sent()[0]?.requestId).toMatch(/^[0-9a-f-]{36}$/);
});

test('all that is wrong is shown at its fields, and goes when it is corrected', async () => {
  const { server, sent } = setUp();
  const form = await open();
  const fieldViolations = [
    { field: 'rollout.filter', description: 'must not be empty' },
    { field: 'rollout.waves', description: 'must grow' },
    { field: 'rollout.parallelism', description: 'must be from 1 to 100' },
    { field: 'rollout.failure_budget.percent', description: 'must be from 0 to 100' },
    { field: 'rollout.soak', description: 'must be from 0 seconds to 7 days' },
    { field: 'rollout.window.start', description: 'must be HH:MM' },
  ];
  const refusal = new ConnectError('invalid', Code.InvalidArgument);
  refusal.details.push({ desc: BadRequestSchema, value: create(BadRequestSchema, { fieldViolations }) });
  server.refusal = refusal;
  await press(form, 'Preview rollout');
  for (const { description } of fieldViolations) await form.findByText(description);
  expect(form.queryByRole('alert')).toBeNull();
  server.refusal = undefined;
  await userEvent.type(form.getByLabelText('Stores'), '*');
  expect(form.queryByText('must grow')).toBeNull();
  expect(sent()).toHaveLength(0);
});

test('that no store matches is said at the filter', async () => {
  const { server } = setUp();
  const refusal = new ConnectError('no store that is not DELETED matches the filter', Code.FailedPrecondition);
  refusal.details.push({ desc: ErrorInfoSchema, value: { reason: 'NO_MATCHING_STORES' } });
  server.refusal = refusal;
  const form = await open();
  await userEvent.type(form.getByLabelText('Stores'), 'plan = none');
  const text = 'No store that is not DELETED matches the filter.';
  await form.findByText(text);
  await press(form, 'Preview rollout');
  await waitFor(() => expect(form.getByLabelText('Stores').getAttribute('aria-invalid')).toBe('true'));
  expect(form.queryByRole('alert')).toBeNull();
});

test('shops go live only once that was typed', async () => {
  const { sent } = setUp();
  const form = await open();
  await userEvent.type(form.getByLabelText('Stores'), '*');
  await userEvent.selectOptions(form.getByLabelText('Change'), 'environment');
  await userEvent.click(form.getByLabelText('Production'));
  await press(form, 'Preview rollout');
  await form.findByText(/begin to send e-mails/);
  expect(form.getByRole('button', { name: 'Change 12 stores' })).toHaveProperty('disabled', true);
  await userEvent.type(form.getByLabelText('Type change 12 stores to confirm'), 'change 12 stores');
  await press(form, 'Change 12 stores');
  await waitFor(() => expect(sent()[0]?.rollout?.target?.store?.environment).toBe(StoreEnvironment.PRODUCTION));
});

test('the list of stores offers the version that is available, and the dialog opens with it once', async () => {
  const upgrade = { engineVersion: '0.1.0', appVersion: '11.0.1' };
  const { router } = renderApp({
    path: '/stores?q=tea',
    stores: { listStores: () => ({ stores: [makeStore({ availableUpgrade: upgrade })], totalSize: 1n }) },
    rollouts: { createRollout: () => ({ counts: { total: 1 } }) },
  });
  await userEvent.click(await screen.findByRole('link', { name: 'Roll out 0.1.0' }, RENDERED));
  const form = await dialog();
  expect(form.getByLabelText('Stores')).toHaveProperty('value', expect.stringContaining('"tea"'));
  expect(form.getByLabelText('To version')).toHaveProperty('value', '0.1.0');
  await waitFor(() => expect(router.state.location.search).toEqual({}));
});
