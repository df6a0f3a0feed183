import { screen, waitFor } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { afterEach, expect, test, vi } from 'vitest';
import { makeEvent, makeStore } from '../test/fixtures';
import { RENDERED, renderApp } from '../test/render-app';
import { session } from './session/session';

afterEach(() => session.signOut());

const oneStore = { listStores: () => ({ stores: [makeStore()], totalSize: 1n }), getStore: () => makeStore() };

test('a rejected token opens the sign-in and leaves the page as it is', async () => {
  renderApp({ path: '/stores', stores: oneStore });
  const search = await screen.findByLabelText('Search stores', undefined, RENDERED);
  session.expire('spt_test');
  await screen.findByRole('dialog', { name: 'Sign in again' });
  expect(search.isConnected).toBe(true);
});

test('a link with another token needs confirmation before it replaces the session', async () => {
  renderApp({ path: '/stores', stores: oneStore });
  await screen.findByLabelText('Search stores', undefined, RENDERED);
  window.history.replaceState(null, '', '/stores#token=spt_other');
  session.takeLinkToken(window.location, window.history);
  await screen.findByRole('dialog', { name: 'Switch to another token?' });
  expect(session.token()).toBe('spt_test');
  await userEvent.click(await screen.findByRole('button', { name: 'Keep the current session' }));
  await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
  expect([session.token(), session.linkToken()]).toEqual(['spt_test', null]);
});

test('a new server version offers a reload until it is dismissed', async () => {
  let version = '1';
  const { watch } = renderApp({ path: '/stores', version: () => version });
  await screen.findByText('No stores yet', undefined, RENDERED);
  version = '2';
  watch.emit(makeEvent(1, { type: 'STEP_STARTED' }));
  await screen.findByText('A new version of the dashboard is available.', undefined, RENDERED);
  await userEvent.click(screen.getByRole('button', { name: 'Later' }));
  expect(screen.queryByText('A new version of the dashboard is available.')).toBeNull();
});

test('navigation moves the focus to the title, and a missing page has one', async () => {
  const { router } = renderApp({ path: '/stores', stores: oneStore });
  await userEvent.click(await screen.findByRole('link', { name: 'Tea & Co' }, RENDERED));
  const title = await screen.findByRole('heading', { level: 1, name: 'Tea & Co' }, RENDERED);
  await waitFor(() => expect(document.activeElement).toBe(title));
  await router.navigate({ href: '/nowhere' });
  await screen.findByRole('heading', { level: 1, name: 'Page not found' }, RENDERED);
});

test('clicking an actor can be undone with Back', async () => {
  const { router } = renderApp({
    path: '/activity',
    audit: { listAuditEvents: () => ({ auditEvents: [{ auditEventId: '1', actor: 'ada', action: 'CREATE_STORE' }] }) },
  });
  const before = window.history.length;
  await userEvent.click(await screen.findByRole('button', { name: 'ada' }, RENDERED));
  await waitFor(() => expect(router.state.location.search).toMatchObject({ actor: 'ada' }));
  expect(window.history.length).toBe(before + 1);
});

test('an operation in progress shows what its store is waiting for', async () => {
  const store = makeStore({ reason: 'UNSCHEDULABLE' });
  const operation = { operationId: 'op-1', storeId: 'tea', storeUid: 'uid-tea', state: 2, kind: 1, step: 'ROLLOUT' };
  const listStores = vi.fn(({ filter }: { filter: string }) =>
    filter.includes('PROVISIONING') ? { stores: [store], totalSize: 1n } : {},
  );
  renderApp({
    overview: { activeOperations: [operation], activeOperationCount: 1n, states: [{ state: 1, count: 1n }] },
    stores: { listStores },
  });
  const list = await screen.findByTestId('in-progress', undefined, RENDERED);
  await waitFor(() => expect(list.textContent).toContain('Wait for pods to become ready · Unschedulable'));
});
