import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError } from '@connectrpc/connect';
import { screen, waitFor, within } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { expect, test } from 'vitest';
import { BadRequestSchema } from '@/gen/google/rpc/error_details_pb';
import { BackupState } from '@/gen/storeplane/v1/backup_service_pb';
import { StoreEnvironment, StoreState } from '@/gen/storeplane/v1/store_pb';
import type { CopyStoreRequest } from '@/gen/storeplane/v1/store_service_pb';
import { BEGIN, makeStore } from '../../../test/fixtures';
import { RENDERED, renderApp } from '../../../test/render-app';

const time = timestampFromMs(BEGIN);
const READY = makeStore({ state: StoreState.READY, readyTime: time, stateTime: time, adminEmail: 'ada@example.com' });
const COMPLETE = { backupId: 'b1', storeId: 'tea', storeUid: 'uid-tea', state: BackupState.COMPLETE, createTime: time };
const COPY = makeStore({ storeId: 'tea-copy', uid: 'uid-copy', displayName: 'Tea & Co (copy)' });

/** The page of a store, or another one, and the copies that were requested; `lost` answers are lost first. */
function setUp({ path = '/stores/tea', role = 'admin', store = READY, lost = 0 } = {}) {
  const requests: CopyStoreRequest[] = [];
  const { router } = renderApp({
    path,
    role,
    stores: {
      getStore: ({ storeId }) => (storeId === 'tea' ? store : COPY),
      copyStore: (request) => {
        if (request.storeId === 'tea') throw violation('store_id', 'this ID is already in use');
        if (!request.validateOnly) requests.push(request);
        if (!request.validateOnly && requests.length <= lost) throw new ConnectError('gone', Code.Internal);
        return { ...COPY, storeId: request.storeId || 'tea-copy', shopUrl: `https://${request.storeId}.shops.test` };
      },
    },
    backups: {
      listBackups: () => ({ backups: [COMPLETE, { ...COMPLETE, backupId: 'b2', state: BackupState.FAILED }] }),
    },
  });
  return { requests, router };
}

function violation(field: string, description: string): ConnectError {
  const error = new ConnectError('the request is invalid', Code.InvalidArgument);
  const value = create(BadRequestSchema, { fieldViolations: [{ field, description }] });
  error.details.push({ desc: BadRequestSchema, value });
  return error;
}

// By selector: on a page this large, a query by role takes seconds.
const storeButton = () =>
  screen.findByText('Copy this store', undefined, RENDERED).then((text) => text.closest('button'));
const isEnabled = async () => expect((await storeButton())?.getAttribute('aria-disabled')).toBe('false');

async function openDialog() {
  await waitFor(isEnabled, RENDERED);
  await userEvent.click((await storeButton()) as HTMLElement);
  return within(await screen.findByRole('dialog', { name: 'Copy Tea & Co' }));
}
const submit = (dialog: Awaited<ReturnType<typeof openDialog>>) =>
  userEvent.click(dialog.getByRole('button', { name: 'Create copy' }));

test('a copy is staging unless chosen otherwise, and its page opens', async () => {
  const { requests, router } = setUp();
  const dialog = await openDialog();
  expect(dialog.getByLabelText('Name')).toHaveProperty('value', 'Tea & Co (copy)');
  expect(dialog.getByLabelText('Admin email')).toHaveProperty('value', 'ada@example.com');
  await waitFor(() => expect(dialog.getByLabelText('small')).toHaveProperty('checked', true));
  expect(dialog.getByLabelText('Staging')).toHaveProperty('checked', true);
  dialog.getByText(/is backed up first and keeps selling/);
  dialog.getByText(/Sends no e-mails and no webhooks/);
  expect(dialog.queryByRole('alert')).toBeNull();
  await waitFor(() => expect(dialog.getByLabelText('ID')).toHaveProperty('placeholder', 'tea-copy'));
  await submit(dialog);
  await waitFor(() => expect(router.state.location.pathname).toBe('/stores/tea-copy'), RENDERED);
  expect(requests).toHaveLength(1);
  expect(requests[0]).toMatchObject({ sourceStoreId: 'tea', sourceUid: 'uid-tea', backupId: '', storeId: 'tea-copy' });
  expect(requests[0]?.store?.environment).toBe(StoreEnvironment.STAGING);
});

test('a production copy comes with a warning, and a lost answer is requested again under the same id', async () => {
  const { requests, router } = setUp({ lost: 1 });
  const dialog = await openDialog();
  await userEvent.click(dialog.getByLabelText('Production'));
  expect(dialog.getByRole('alert').textContent).toMatch(/sends e-mails.*takes payments.*charged twice/);
  await waitFor(() => expect(dialog.getByLabelText('ID')).toHaveProperty('placeholder', 'tea-copy'));
  await submit(dialog);
  await dialog.findByText('The copy was not created');
  await submit(dialog);
  await waitFor(() => expect(router.state.location.pathname).toBe('/stores/tea-copy'), RENDERED);
  expect(requests).toHaveLength(2);
  expect(requests[0]?.requestId).toMatch(/^[0-9a-f-]{36}$/);
  expect(requests[0]?.requestId).toBe(requests[1]?.requestId);
  expect(requests[1]?.store?.environment).toBe(StoreEnvironment.PRODUCTION);
});

test('the server validates what is typed, and the next dialog begins anew', async () => {
  const { requests } = setUp();
  const first = await openDialog();
  await userEvent.type(first.getByLabelText('ID'), 'tea');
  await first.findByText('this ID is already in use', undefined, RENDERED);
  expect(first.getByLabelText('ID').getAttribute('aria-invalid')).toBe('true');
  await userEvent.type(first.getByLabelText('ID'), '2');
  await first.findByText('Shop: https://tea2.shops.test', undefined, RENDERED);
  await userEvent.click(first.getByRole('button', { name: 'Cancel' }));
  await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
  expect((await openDialog()).getByLabelText('ID')).toHaveProperty('value', '');
  expect(requests).toEqual([]);
});

test('a complete backup is copied from the list of all backups', async () => {
  const { requests } = setUp({ path: '/backups', store: makeStore({ ...READY, state: StoreState.DELETED }) });
  const copy = await screen.findByRole('button', { name: /^Copy from backup of tea, / }, RENDERED);
  expect(document.querySelector('[data-backup=b2]')?.textContent).not.toContain('Copy');
  await userEvent.click(copy);
  const dialog = within(await screen.findByRole('dialog', { name: 'Copy Tea & Co' }));
  expect(dialog.getByText(/^The copy is a new store/).textContent).toMatch(/data of tea of .*2026.* ago\)/);
  await submit(dialog);
  await waitFor(() => expect(requests[0]).toMatchObject({ sourceStoreId: 'tea', backupId: 'b1' }));
});

test('a viewer is told why nothing can be copied', async () => {
  setUp({ role: 'viewer' });
  await userEvent.hover((await storeButton()) as HTMLElement);
  await screen.findByText(/Your role does not permit copies/);
  await userEvent.click((await storeButton()) as HTMLElement);
  expect(screen.queryByRole('dialog')).toBeNull();
  expect(document.querySelector('[data-backup=b1]')?.textContent).not.toContain('Copy');
});
