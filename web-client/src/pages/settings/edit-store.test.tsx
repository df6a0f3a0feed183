import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError } from '@connectrpc/connect';
import { screen, waitFor, within } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { beforeAll, expect, test } from 'vitest';
import { BadRequestSchema } from '@/gen/google/rpc/error_details_pb';
import { type Engine, EngineSchema } from '@/gen/storeplane/v1/platform_pb';
import {
  PluginSchema,
  SmtpSchema,
  StoreEnvironment,
  StoreState,
  UpdatePreviewSchema,
} from '@/gen/storeplane/v1/store_pb';
import type { UpdateStoreRequest } from '@/gen/storeplane/v1/store_service_pb';
import { BEGIN, makeEvent, makeStore } from '../../../test/fixtures';
import { RENDERED, renderApp } from '../../../test/render-app';
import { loadSettings } from './lazy-settings';

// On a busy machine, this takes longer than a test waits.
beforeAll(() => loadSettings(), 60_000);

const time = timestampFromMs(BEGIN);
const READY = makeStore({
  state: StoreState.READY,
  readyTime: time,
  stateTime: time,
  adminEmail: 'ada@example.com',
  environment: StoreEnvironment.STAGING,
  engineVersion: '0.1.0',
  etag: 'e1',
});
const PREVIEW = create(UpdatePreviewSchema, {
  changes: [
    { field: 'display_name', before: 'Tea & Co', after: 'Tea Ltd' },
    { field: 'plan', before: 'small', after: 'large' },
  ],
  steps: ['UPGRADE', 'ROLLOUT', 'VERIFY'],
  restartsPods: true,
});

/** The page of a store whose changes are previewed, or refused, as the test says. */
function setUp({
  role = 'admin',
  store = READY,
  preview = PREVIEW,
  refusal = undefined as unknown,
  engine = undefined as Engine | undefined,
} = {}) {
  const requests: UpdateStoreRequest[] = [];
  const server = { store, refusal, reads: 0 };
  const { watch } = renderApp({
    path: '/stores/tea',
    role,
    platform: engine && { listEngines: () => ({ engines: [engine] }) },
    stores: {
      getStore: () => {
        server.reads++;
        return server.store;
      },
      updateStore: (request) => {
        requests.push(request);
        if (server.refusal) throw server.refusal;
        if (request.validateOnly) return { ...server.store, etag: 'as it would be', updatePreview: preview };
        server.store = makeStore({ ...server.store, state: StoreState.UPDATING, lastSequence: 3n });
        return server.store;
      },
    },
  });
  return { requests, server, watch };
}

// By selector: on a page this large, a query by role takes seconds.
const editButton = () =>
  screen.findByText('Edit', undefined, RENDERED).then((text) => text.closest('button') as HTMLElement);

async function openDialog() {
  await editButton();
  await waitFor(async () => expect((await editButton()).getAttribute('aria-disabled')).toBe('false'), RENDERED);
  await userEvent.click(await editButton());
  return within(await screen.findByRole('dialog', { name: 'Edit tea' }));
}
type Dialog = Awaited<ReturnType<typeof openDialog>>;
const press = (dialog: Dialog, name: string) => userEvent.click(dialog.getByRole('button', { name }));

async function rename(dialog: Dialog, name: string) {
  await userEvent.clear(dialog.getByLabelText('Name'));
  await userEvent.type(dialog.getByLabelText('Name'), name);
}

test('only what changed is previewed, and applied to the store as it was previewed', async () => {
  const { requests, server, watch } = setUp();
  const dialog = await openDialog();
  expect(dialog.getByLabelText('Admin email')).toHaveProperty('value', 'ada@example.com');
  expect(dialog.getByLabelText('Staging')).toHaveProperty('checked', true);
  expect(dialog.getByRole('button', { name: 'Preview changes' })).toHaveProperty('disabled', true);
  await rename(dialog, 'Tea Ltd');
  await userEvent.click(await dialog.findByLabelText('large'));
  await press(dialog, 'Preview changes');
  const changes = await dialog.findByLabelText('Changes');
  expect(changes.textContent).toBe('NameTea & Co → Tea LtdPlansmall → large');
  dialog.getByText('Steps: Apply the chart, Wait for pods to become ready, Test the storefront.');
  dialog.getByText("The shop's pods are replaced.");
  expect(dialog.queryByRole('alert')).toBeNull();
  expect(requests).toHaveLength(1);
  expect(requests[0]).toMatchObject({ storeId: 'tea', uid: 'uid-tea', etag: 'e1', validateOnly: true });
  expect(requests[0]?.updateMask?.paths).toEqual(['display_name', 'plan']);
  expect(requests[0]?.store).toMatchObject({ displayName: 'Tea Ltd', plan: 'large', adminEmail: '' });
  // Somebody else changes the store meanwhile: what was previewed must not be applied to that.
  const reads = server.reads;
  server.store = makeStore({ ...READY, displayName: 'Tea Ltd', etag: 'e2', lastSequence: 2n });
  watch.emit(makeEvent(2, { type: 'STORE_UPDATED' }));
  await waitFor(() => expect(server.reads).toBeGreaterThan(reads));
  await waitFor(() => expect(document.querySelector('h1')?.textContent).toBe('Tea Ltd'));
  await press(dialog, 'Apply changes');
  await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
  expect(requests).toHaveLength(2);
  expect(requests[1]).toMatchObject({ etag: 'e1', validateOnly: false });
  expect(requests[1]?.requestId).toMatch(/^[0-9a-f-]{36}$/);
  expect(requests[1]?.updateMask?.paths).toEqual(['display_name', 'plan']);
});

test('a newer version is offered, and what it does to the shop is shown', async () => {
  const changes = [{ field: 'chart_version', before: '0.1.0', after: '0.2.0' }];
  const { requests } = setUp({
    preview: create(UpdatePreviewSchema, { changes, steps: ['MAINTENANCE', 'UPGRADE'], maintenancePage: true }),
  });
  const dialog = await openDialog();
  const version = await dialog.findByLabelText('Version');
  expect(version).toHaveProperty('value', '0.1.0');
  await userEvent.selectOptions(version, '0.2.0');
  await press(dialog, 'Preview changes');
  expect((await dialog.findByLabelText('Changes')).textContent).toBe('Chart version0.1.0 → 0.2.0');
  dialog.getByText('Steps: Take shop offline, Apply the chart.');
  dialog.getByText("A maintenance page is shown in the shop's place meanwhile.");
  expect(requests[0]?.store?.engineVersion).toBe('0.2.0');
});

test('a staging shop becomes one for customers only after its ID was typed', async () => {
  const note = 'What it sends or charges cannot be undone.';
  const changes = [{ field: 'environment', before: 'STAGING', after: 'PRODUCTION' }];
  const { requests } = setUp({ preview: create(UpdatePreviewSchema, { changes, notes: [note] }) });
  const dialog = await openDialog();
  await userEvent.click(dialog.getByLabelText('Production'));
  await press(dialog, 'Preview changes');
  expect((await dialog.findByLabelText('Changes')).textContent).toBe('EnvironmentStaging → Production');
  expect(dialog.getByRole('alert').textContent).toContain(note);
  const apply = dialog.getByRole('button', { name: 'Apply changes' });
  expect(apply).toHaveProperty('disabled', true);
  await userEvent.type(dialog.getByLabelText(/Type/), 'tea');
  await userEvent.click(apply);
  await waitFor(() => expect(requests.at(-1)?.validateOnly).toBe(false));
  expect(requests.at(-1)?.store?.environment).toBe(StoreEnvironment.PRODUCTION);
});

test('a violation is shown at its field until that changes, and another refusal as a message', async () => {
  const invalid = new ConnectError('the request is invalid', Code.InvalidArgument);
  const violations = { fieldViolations: [{ field: 'store.display_name', description: 'must be shorter' }] };
  invalid.details.push({ desc: BadRequestSchema, value: create(BadRequestSchema, violations) });
  const { server } = setUp({ refusal: invalid });
  const dialog = await openDialog();
  await rename(dialog, 'Tea');
  await press(dialog, 'Preview changes');
  await dialog.findByText('must be shorter');
  expect(dialog.getByLabelText('Name').getAttribute('aria-invalid')).toBe('true');
  expect(dialog.queryByRole('alert')).toBeNull();
  await userEvent.type(dialog.getByLabelText('Name'), '2');
  expect(dialog.queryByText('must be shorter')).toBeNull();
  server.refusal = new ConnectError('the plan is not allowed', Code.PermissionDenied);
  await press(dialog, 'Preview changes');
  expect((await dialog.findByRole('alert')).textContent).toContain('The plan is not allowed.');
});

test('a mail server gets a password that is never shown, and goes with its host', async () => {
  const before = { host: 'smtp.example.com', port: 587, encryption: 2, username: 'shop', passwordSet: true };
  const smtp = create(SmtpSchema, before);
  const { requests, server } = setUp({ store: makeStore({ ...READY, smtp }), preview: create(UpdatePreviewSchema) });
  const dialog = await openDialog();
  expect(dialog.getByLabelText('SMTP password')).toHaveProperty('value', '');
  expect(dialog.getByLabelText('Port')).toHaveProperty('value', '587');
  expect(dialog.getByRole('button', { name: 'Preview changes' })).toHaveProperty('disabled', true);
  await userEvent.type(dialog.getByLabelText('SMTP password'), 'hunter2');
  await userEvent.clear(dialog.getByLabelText('Port'));
  await userEvent.selectOptions(dialog.getByLabelText('Encryption'), 'TLS');
  const invalid = new ConnectError('the request is invalid', Code.InvalidArgument);
  const violations = { fieldViolations: [{ field: 'store.smtp.username', description: 'must be shorter' }] };
  invalid.details.push({ desc: BadRequestSchema, value: create(BadRequestSchema, violations) });
  server.refusal = invalid;
  await press(dialog, 'Preview changes');
  await dialog.findByText('must be shorter');
  expect(dialog.getByLabelText('SMTP user').getAttribute('aria-invalid')).toBe('true');
  expect(requests[0]?.updateMask?.paths).toEqual(['smtp']);
  const written = { host: 'smtp.example.com', port: 0, encryption: 3, username: 'shop', password: 'hunter2' };
  expect(requests[0]?.store?.smtp).toMatchObject(written);
  server.refusal = undefined;
  await userEvent.clear(dialog.getByLabelText('SMTP host'));
  expect(dialog.queryByLabelText('SMTP password')).toBeNull();
  await press(dialog, 'Preview changes');
  await dialog.findByText('No setting changes.');
  expect(requests[1]?.updateMask?.paths).toEqual(['smtp']);
  expect(requests[1]?.store?.smtp).toBeUndefined();
});

test('plugins are chosen with a version; one that is no longer offered can be kept', async () => {
  const plugins = [
    create(PluginSchema, { name: 'faq', version: '1.0' }),
    create(PluginSchema, { name: 'old', version: '7' }),
  ];
  const engine = {
    name: 'woocommerce',
    versions: [{ chartVersion: '0.1.0', plugins: true }],
    plugins: [
      { name: 'faq', version: '1.2' },
      { name: 'gift-cards', version: '2.0.1', description: 'Sells vouchers' },
    ],
  };
  const { requests } = setUp({
    store: makeStore({ ...READY, plugins }),
    preview: create(UpdatePreviewSchema),
    engine: create(EngineSchema, engine),
  });
  const dialog = await openDialog();
  await dialog.findByText('Sells vouchers');
  expect(dialog.queryByLabelText('Version of gift-cards')).toBeNull();
  await userEvent.click(dialog.getByLabelText('gift-cards'));
  expect(dialog.getByLabelText('Version of gift-cards')).toHaveProperty('value', '');
  await dialog.findByText('7 (no longer offered)');
  await userEvent.selectOptions(dialog.getByLabelText('Version of faq'), '1.2');
  await press(dialog, 'Preview changes');
  await dialog.findByText('No setting changes.');
  await press(dialog, 'Back');
  await userEvent.click(dialog.getByLabelText('old'));
  await press(dialog, 'Preview changes');
  await dialog.findByText('No setting changes.');
  expect(requests[1]?.updateMask?.paths).toEqual(['plugins']);
  const sent = requests.map(({ store }) => store?.plugins.map(({ name, version }) => `${name} ${version}`));
  expect(sent).toEqual([
    ['faq 1.2', 'gift-cards ', 'old 7'],
    ['faq 1.2', 'gift-cards '],
  ]);
});

test('changes that are refused keep their preview, and lead back to the form', async () => {
  const { requests, server } = setUp();
  const dialog = await openDialog();
  await rename(dialog, 'Tea Ltd');
  await press(dialog, 'Preview changes');
  await dialog.findByLabelText('Changes');
  server.refusal = new ConnectError('the store has changed', Code.FailedPrecondition);
  await press(dialog, 'Apply changes');
  await dialog.findByText('The changes were not applied');
  await press(dialog, 'Back');
  expect(dialog.getByLabelText('Name')).toHaveProperty('value', 'Tea Ltd');
  expect(dialog.queryByRole('alert')).toBeNull();
  expect(requests).toHaveLength(2);
});

test.each([
  ['its state', { store: makeStore({ ...READY, state: StoreState.FAILED }) }, /Only a store that is ready or degraded/],
  ['the role', { role: 'viewer' }, /Your role does not permit changes/],
])('a store that cannot be edited for %s says so', async (_, setup, reason) => {
  setUp(setup);
  await userEvent.hover(await editButton());
  await screen.findByText(reason);
  await userEvent.click(await editButton());
  expect(screen.queryByRole('dialog')).toBeNull();
});
