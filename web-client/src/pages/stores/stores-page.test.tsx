import { Code, ConnectError } from '@connectrpc/connect';
import { screen, waitFor, within } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { afterEach, expect, test, vi } from 'vitest';
import { ConditionStatus, StoreEnvironment, StoreState } from '@/gen/storeplane/v1/store_pb';
import type { DeleteStoreRequest } from '@/gen/storeplane/v1/store_service_pb';
import { session } from '@/session/session';
import { makeEvent, makeStore } from '../../../test/fixtures';
import { RENDERED, renderApp } from '../../../test/render-app';

afterEach(() => session.signedOut());

const mud = makeStore({ storeId: 'mud', uid: 'uid-mud', displayName: 'Mud' });
const bothStores = () => ({ stores: [makeStore(), mud], totalSize: 2n });

test('watch events change a row without another request', async () => {
  const listStores = vi.fn(() => ({ stores: [makeStore({ step: 'INSTALL' })], totalSize: 1n }));
  const { watch } = renderApp({ path: '/stores', stores: { listStores } });
  const row = await screen.findByRole('row', { name: /Tea & Co/ }, RENDERED);
  expect(row.textContent).toContain('ProvisioningInstall the chart');
  await waitFor(() => expect(listStores.mock.calls.length).toBeGreaterThan(0));
  const requests = listStores.mock.calls.length;
  watch.emit(makeEvent(2, { type: 'STEP_STARTED', step: 'ROLLOUT' }));
  await waitFor(() => expect(row.textContent).toContain('Wait for pods'));
  watch.emit(makeEvent(3, { type: 'WAITING', message: 'No node.', details: { reason: 'UNSCHEDULABLE' } }));
  await waitFor(() => expect(row.textContent).toContain('Unschedulable'));
  expect(listStores.mock.calls.length).toBe(requests);
});

test('staging stores, stores without a recent backup and those that have drifted are marked', async () => {
  const overdue = { type: 'BackedUp', status: ConditionStatus.FALSE, reason: 'BACKUP_OVERDUE', message: 'Too old.' };
  const drifted = { type: 'ConfigurationDrifted', status: ConditionStatus.TRUE, message: 'Values differ.' };
  const state = StoreState.READY;
  const stores = [
    makeStore({
      state,
      environment: StoreEnvironment.STAGING,
      conditions: [
        { ...overdue, status: ConditionStatus.TRUE },
        { ...drifted, status: ConditionStatus.FALSE },
      ],
    }),
    makeStore({
      storeId: 'mud',
      uid: 'uid-mud',
      displayName: 'Mud',
      state,
      environment: StoreEnvironment.PRODUCTION,
      conditions: [overdue, drifted],
    }),
  ];
  renderApp({ path: '/stores', stores: { listStores: () => ({ stores, totalSize: 2n }) } });
  const staging = within(await screen.findByRole('row', { name: /Tea & Co/ }, RENDERED));
  staging.getByText('Staging');
  expect(staging.queryByText('No recent backup')).toBeNull();
  expect(staging.queryByText('Configuration drifted')).toBeNull();
  const production = within(screen.getByRole('row', { name: /Mud/ }));
  expect(production.getByText('No recent backup').title).toBe('Too old.');
  expect(production.getByText('Configuration drifted').title).toBe('Values differ.');
  expect(production.queryByText('Staging')).toBeNull();
});

test.each(['viewer', 'auditor', 'a role of a newer server'])('the role %s is offered no change', async (role) => {
  renderApp({ path: '/stores', role, stores: { listStores: bothStores } });
  await screen.findByText(`${role} · default`, undefined, RENDERED);
  await screen.findByRole('row', { name: /Tea & Co/ }, RENDERED);
  expect(screen.queryByRole('checkbox')).toBeNull();
  expect(screen.queryByRole('link', { name: 'New store' })).toBeNull();
});

test('a bulk deletion needs the typed phrase, names its failures, and keeps only those selected', async () => {
  const deleted: DeleteStoreRequest[] = [];
  let fails = true;
  renderApp({
    path: '/stores',
    stores: {
      listStores: bothStores,
      deleteStore: (request) => {
        deleted.push(request);
        if (request.storeId === 'mud' && fails)
          throw new ConnectError('the store is protected', Code.FailedPrecondition);
        return makeStore({ state: StoreState.DELETING });
      },
    },
  });
  await userEvent.click(await screen.findByRole('checkbox', { name: 'Select all on this page' }, RENDERED));
  await userEvent.click(screen.getByRole('button', { name: 'Delete 2' }));
  const dialog = await screen.findByRole('dialog');
  const confirm = within(dialog).getByRole('button', { name: 'Delete' });
  expect(confirm).toHaveProperty('disabled', true);
  await userEvent.type(within(dialog).getByLabelText(/Type/), 'delete 2 stores');
  await userEvent.click(confirm);
  await within(dialog).findByText('1 deleted, 1 failed');
  within(dialog).getByText('mud: The store is protected.');
  expect(deleted.map(({ uid }) => uid).sort()).toEqual(['uid-mud', 'uid-tea']);
  for (const { requestId } of deleted) expect(requestId).toMatch(/^[0-9a-f-]{36}$/);
  screen.getByText('1 selected');
  fails = false;
  await userEvent.click(within(dialog).getByRole('button', { name: 'Try 1 again' }));
  await within(dialog).findByText('1 deleted');
  expect(deleted).toHaveLength(3);
});

test('a bulk run that is stopped closes only after its calls in flight have ended, and starts no other', async () => {
  const stores = Array.from({ length: 8 }, (_, n) =>
    makeStore({ storeId: `s${n}`, uid: `u${n}`, displayName: `S${n}` }),
  );
  const release: (() => void)[] = [];
  renderApp({
    path: '/stores',
    stores: {
      listStores: () => ({ stores, totalSize: 8n }),
      deleteStore: async () => {
        await new Promise<void>((resolve) => release.push(resolve));
        return makeStore();
      },
    },
  });
  await userEvent.click(await screen.findByRole('checkbox', { name: 'Select all on this page' }, RENDERED));
  await userEvent.click(screen.getByRole('button', { name: 'Delete 8' }));
  const dialog = await screen.findByRole('dialog');
  await userEvent.type(within(dialog).getByLabelText(/Type/), 'delete 8 stores');
  await userEvent.click(within(dialog).getByRole('button', { name: 'Delete' }));
  await within(dialog).findByText('Deleting 1 of 8…');
  await userEvent.click(within(dialog).getByRole('button', { name: 'Stop' }));
  await userEvent.keyboard('{Escape}');
  expect(dialog.isConnected).toBe(true);
  for (const each of release.splice(0)) each();
  await within(dialog).findByText('4 deleted, 4 not attempted');
  expect(release).toEqual([]);
});

test('a selection survives a search, counts what is not in view, and can be cleared', async () => {
  renderApp({
    path: '/stores',
    stores: { listStores: ({ filter }) => (filter ? { stores: [mud], totalSize: 1n } : bothStores()) },
  });
  await userEvent.click(await screen.findByRole('checkbox', { name: 'Select all on this page' }, RENDERED));
  await userEvent.type(screen.getByLabelText('Search stores'), 'mud');
  await screen.findByText('2 selected, 1 not in this view', undefined, RENDERED);
  await userEvent.click(screen.getByRole('button', { name: 'Clear' }));
  expect(screen.queryByText(/selected/)).toBeNull();
});

test('all matching stores can be selected beyond the page', async () => {
  const stores = Array.from({ length: 65 }, (_, n) =>
    makeStore({ storeId: `s${n}`, uid: `u${n}`, displayName: `S${n}` }),
  );
  renderApp({
    path: '/stores',
    stores: {
      listStores: ({ pageSize, pageToken }) => {
        const start = Number(pageToken);
        // Pages may be smaller than requested.
        const end = start + Math.min(pageSize, 50);
        return { stores: stores.slice(start, end), totalSize: 65n, nextPageToken: end < 65 ? String(end) : '' };
      },
    },
  });
  await userEvent.click(await screen.findByRole('checkbox', { name: 'Select all on this page' }, RENDERED));
  await userEvent.click(screen.getByRole('button', { name: 'Select all 65 matching' }));
  await screen.findByText('65 selected, 15 not in this view');
});

test('rows of the previous filter are marked as outdated, and cached rows stay when the server is away', async () => {
  let respond = () => {};
  let isDown = false;
  const { watch } = renderApp({
    path: '/stores',
    stores: {
      listStores: async ({ filter }) => {
        if (isDown) throw new ConnectError('down', Code.FailedPrecondition);
        if (filter) await new Promise<void>((resolve) => (respond = resolve));
        return filter ? { stores: [mud], totalSize: 1n } : bothStores();
      },
    },
  });
  await screen.findByRole('row', { name: /Tea & Co/ }, RENDERED);
  const table = screen.getByRole('table');
  await userEvent.click(screen.getByRole('button', { name: 'Failed' }));
  await waitFor(() => expect(table.getAttribute('data-outdated')).toBe('true'));
  respond();
  await waitFor(() => expect(table.getAttribute('data-outdated')).toBeNull());
  isDown = true;
  watch.emit(makeEvent(2, { storeId: 'mud', uid: 'uid-mud', type: 'STATE_CHANGED', details: { state: 'FAILED' } }));
  await screen.findByText(/^Showing data from/, undefined, RENDERED);
  expect(screen.getByRole('row', { name: /Mud/ }).textContent).toContain('Failed');
});
