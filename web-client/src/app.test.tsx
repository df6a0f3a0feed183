import { create } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { screen, waitFor, within } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { afterEach, expect, test, vi } from 'vitest';
import { BadRequestSchema } from '@/gen/google/rpc/error_details_pb';
import { StoreState } from '@/gen/storeplane/v1/store_pb';
import type { CreateStoreRequest, DeleteStoreRequest } from '@/gen/storeplane/v1/store_service_pb';
import { renderApp } from '../test/app';
import { makeEvent, makeStore } from '../test/make';
import { session } from './session/session';

afterEach(() => session.signOut());

const isThere = { timeout: 5000 };

test('a store in the table changes as it is told, without another request', async () => {
  const listStores = vi.fn(() => ({ stores: [makeStore({ step: 'INSTALL' })], totalSize: 1n }));
  const { line } = renderApp({ path: '/stores', stores: { listStores } });
  const row = await screen.findByRole('row', { name: /Tea & Co/ }, isThere);
  expect(row.textContent).toContain('ProvisioningInstall');
  await waitFor(() => expect(listStores.mock.calls.length).toBeGreaterThan(0));
  const asked = listStores.mock.calls.length;
  line.tell(makeEvent(2, { type: 'STEP_STARTED', step: 'ROLLOUT' }));
  await waitFor(() => expect(row.textContent).toContain('Rollout'));
  line.tell(makeEvent(3, { type: 'WAITING', message: 'No node.', details: { reason: 'UNSCHEDULABLE' } }));
  await waitFor(() => expect(row.textContent).toContain('Unschedulable'));
  expect(listStores.mock.calls.length).toBe(asked);
});

test('a viewer is offered no change, an operator is', async () => {
  const listStores = () => ({ stores: [makeStore()], totalSize: 1n });
  renderApp({ path: '/stores', role: 'viewer', stores: { listStores } });
  await screen.findByText(/viewer · default/, undefined, isThere);
  await screen.findByRole('row', { name: /Tea & Co/ }, isThere);
  expect(screen.queryByRole('checkbox')).toBeNull();
  expect(screen.queryByRole('link', { name: 'New store' })).toBeNull();
});

test('chosen stores are deleted by uid once that is typed, and those that could not be are named', async () => {
  const deleted: DeleteStoreRequest[] = [];
  renderApp({
    path: '/stores',
    stores: {
      listStores: () => ({
        stores: [makeStore(), makeStore({ storeId: 'mud', uid: 'uid-mud', displayName: 'Mud' })],
        totalSize: 2n,
      }),
      deleteStore: (request) => {
        deleted.push(request);
        if (request.storeId === 'mud') throw new ConnectError('the store changed meanwhile', Code.FailedPrecondition);
        return makeStore({ state: StoreState.DELETING });
      },
    },
  });
  await userEvent.click(await screen.findByRole('checkbox', { name: 'Choose all on this page' }, isThere));
  await userEvent.click(screen.getByRole('button', { name: 'Delete 2' }));
  const dialog = await screen.findByRole('dialog');
  const confirm = within(dialog).getByRole('button', { name: 'Delete' });
  expect(confirm).toHaveProperty('disabled', true);
  await userEvent.type(within(dialog).getByLabelText(/Type/), 'delete 2 stores');
  await userEvent.click(confirm);
  await within(dialog).findByText(/Not deleted: mud: The store changed meanwhile/);
  expect(deleted.map(({ uid }) => uid).sort()).toEqual(['uid-mud', 'uid-tea']);
  for (const { requestId } of deleted) expect(requestId).toMatch(/^[0-9a-f-]{36}$/);
});

test('what the server finds wrong stands at its field, and a lost answer is asked for under the same id', async () => {
  const asked: CreateStoreRequest[] = [];
  let answers = 0;
  const { router } = renderApp({
    path: '/create',
    stores: {
      createStore: (request) => {
        if (!request.validateOnly) asked.push(request);
        if (request.store?.adminEmail === 'nobody') throw violation('store.admin_email', 'must be an e-mail address');
        if (!request.validateOnly && answers++ === 0) throw new ConnectError('gone', Code.Unavailable);
        return makeStore();
      },
      getStore: () => makeStore(),
      watchStore: async function* () {},
    },
  });
  await userEvent.type(await screen.findByLabelText('Name', undefined, isThere), 'Tea & Co');
  expect(screen.getByLabelText('Id')).toHaveProperty('value', 'tea-co');
  const email = screen.getByLabelText("Administrator's e-mail");
  await userEvent.type(email, 'nobody');
  await userEvent.tab();
  await screen.findByText('Must be an e-mail address', undefined, isThere);
  expect(email.getAttribute('aria-invalid')).toBe('true');
  await userEvent.clear(email);
  await userEvent.type(email, 'me@example.com');
  await waitFor(() => expect(screen.queryByText('Must be an e-mail address')).toBeNull());
  await userEvent.click(screen.getByRole('button', { name: 'Create store' }));
  await waitFor(() => expect(router.state.location.pathname).toBe('/stores/tea'), isThere);
  expect(asked).toHaveLength(2);
  expect(asked[0]?.requestId).toBe(asked[1]?.requestId);
  expect(asked[0]).toMatchObject({
    storeId: 'tea-co',
    store: { displayName: 'Tea & Co', adminEmail: 'me@example.com' },
  });
});

test('a token that is not taken any more leaves the page where it is', async () => {
  renderApp({ path: '/stores', stores: { listStores: () => ({ stores: [makeStore()], totalSize: 1n }) } });
  const search = await screen.findByLabelText('Search stores', undefined, isThere);
  session.expire('spt_test');
  await screen.findByRole('dialog', { name: 'Sign in again' });
  expect(search.isConnected).toBe(true);
});

test('a new version of the server asks to reload, and says nothing more once that is put off', async () => {
  let version = '1';
  const { line } = renderApp({ path: '/stores', version: () => version, stores: { listStores: () => ({}) } });
  await screen.findByText('There is no store yet', undefined, isThere);
  version = '2';
  line.tell(makeEvent(1, { type: 'STEP_STARTED' }));
  await screen.findByText('There is a new version of the dashboard.', undefined, isThere);
  await userEvent.click(screen.getByRole('button', { name: 'Later' }));
  expect(screen.queryByText('There is a new version of the dashboard.')).toBeNull();
});

function violation(field: string, description: string): ConnectError {
  const value = { fieldViolations: [{ field, description }] };
  const error = new ConnectError('the request is not in order', Code.InvalidArgument);
  error.details.push({ desc: BadRequestSchema, value: create(BadRequestSchema, value) });
  return error;
}
