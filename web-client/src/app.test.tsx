import { act, screen, waitFor } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { afterEach, expect, test, vi } from 'vitest';
import { makeEvent, makeStore } from '../test/fixtures';
import { RENDERED, renderApp } from '../test/render-app';
import { session } from './session/session';

afterEach(() => session.signedOut());

const oneStore = { listStores: () => ({ stores: [makeStore()], totalSize: 1n }), getStore: () => makeStore() };

test('an ended session opens the sign-in and leaves the page as it is', async () => {
  renderApp({ path: '/stores', stores: oneStore });
  const search = await screen.findByLabelText('Search stores', undefined, RENDERED);
  session.expire(session.generation());
  await screen.findByRole('dialog', { name: 'Sign in again' });
  expect(search.isConnected).toBe(true);
});

/** The server's answers to `/auth/…`. */
function answer(answers: Record<string, { status?: number; body: object }>) {
  const request = vi.spyOn(window, 'fetch').mockImplementation(async (path) => {
    const { status = 200, body } = answers[String(path)] ?? { status: 404, body: {} };
    return new Response(status === 204 ? null : JSON.stringify(body), { status });
  });
  return () => request.mock.calls.map(([path, init]) => `${path} ${init?.body ?? ''}`);
}

test('a link with a code needs confirmation before it replaces the session', async () => {
  const requests = answer({
    '/auth/code': { body: { name: 'eve', role: 'viewer', tenant: 'acme' } },
    '/auth/session': { body: { name: 'eve', role: 'viewer', tenant: 'acme' } },
  });
  renderApp({ path: '/stores', stores: oneStore });
  await screen.findByLabelText('Search stores', undefined, RENDERED);
  const open = async () => {
    window.history.replaceState(null, '', '/stores#code=spc_other');
    act(() => void session.takeLink(window.location, window.history));
    const dialog = await screen.findByRole('dialog', { name: 'Switch to another account?' });
    await waitFor(() => expect(dialog.textContent).toContain('signs you in as eve (viewer, tenant acme)'));
  };
  await open();
  expect(window.location.hash).toBe('');
  await userEvent.click(await screen.findByRole('button', { name: 'Keep the current session' }));
  await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
  expect(requests().filter((each) => each.startsWith('/auth/session'))).toEqual([]);
  await open();
  await userEvent.click(await screen.findByRole('button', { name: 'Sign in' }));
  await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
  expect(requests()).toContain('/auth/session {"code":"spc_other","replace":true}');
});

test('signing in with a token creates a session, and offers the identity provider', async () => {
  const requests = answer({
    '/auth/methods': { body: { provider: 'Example ID' } },
    '/auth/session': { body: { name: 'ada', role: 'admin', tenant: 'default' } },
  });
  renderApp({ path: '/stores', stores: oneStore });
  act(() => session.signedOut());
  const link = await screen.findByRole('link', { name: 'Sign in with Example ID' }, RENDERED);
  expect(link.getAttribute('href')).toBe('/auth/login?return_to=%2Fstores');
  await userEvent.type(screen.getByLabelText('Token'), ' spt_1 ');
  await userEvent.click(screen.getByRole('button', { name: 'Sign in' }));
  await screen.findByLabelText('Search stores', undefined, RENDERED);
  expect(requests()).toContain('/auth/session {"token":"spt_1","replace":false}');
  expect(JSON.stringify({ ...sessionStorage, ...localStorage })).not.toContain('spt_1');
});

test('signing out that fails says so and changes nothing', async () => {
  answer({ '/auth/logout': { status: 503, body: { reason: 'DATABASE_UNAVAILABLE', message: 'try again later' } } });
  renderApp({ path: '/stores', stores: oneStore });
  await userEvent.click(await screen.findByRole('button', { name: 'Sign out' }, RENDERED));
  expect((await screen.findByRole('alert')).textContent).toBe('You are still signed in: try again later');
  expect(session.status()).toBe('in');
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
