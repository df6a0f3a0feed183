import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, type HandlerContext } from '@connectrpc/connect';
import { screen, waitFor, within } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { afterEach, expect, test, vi } from 'vitest';
import { OperationKind, OperationState } from '@/gen/storeplane/v1/operation_pb';
import { ConditionStatus, type Store, StoreState } from '@/gen/storeplane/v1/store_pb';
import type {
  DeleteStoreRequest,
  RetryStoreRequest,
  RotateStoreCredentialsRequest,
  UpdateStoreRequest,
} from '@/gen/storeplane/v1/store_service_pb';
import { session } from '@/session/session';
import { BEGIN, makeEvent, makeStore } from '../../../test/fixtures';
import { RENDERED, renderApp } from '../../../test/render-app';

afterEach(() => session.signedOut());

const READY = { state: StoreState.READY, readyTime: timestampFromMs(BEGIN), stateTime: timestampFromMs(BEGIN) };
const open = (store: Store, stores = {}) =>
  renderApp({ path: '/stores/tea', stores: { getStore: () => store, ...stores } });

test('a deletion needs the typed ID, and one that is stopped sends nothing later', async () => {
  const requests: DeleteStoreRequest[] = [];
  open(makeStore(READY), {
    deleteStore: async (request: DeleteStoreRequest, { signal }: HandlerContext) => {
      requests.push(request);
      if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve));
      throw new ConnectError('offline', Code.Unavailable);
    },
  });
  await userEvent.click(await screen.findByRole('button', { name: 'Delete' }, RENDERED));
  const dialog = await screen.findByRole('dialog');
  const confirm = within(dialog).getByRole('button', { name: 'Delete store' });
  expect(confirm).toHaveProperty('disabled', true);
  await userEvent.type(within(dialog).getByLabelText(/Type/), 'tea');
  await userEvent.click(confirm);
  await waitFor(() => expect(requests).toHaveLength(1));
  await userEvent.click(within(dialog).getByRole('button', { name: 'Stop' }));
  await within(dialog).findByText(/Nothing more is sent/);
  window.dispatchEvent(new Event('online'));
  await new Promise((resolve) => setTimeout(resolve, 1500));
  expect(requests).toHaveLength(1);
});

test('a newer version is named, and whether it is a security update', async () => {
  open(
    makeStore({
      ...READY,
      engineVersion: '0.1.0',
      availableUpgrade: { engineVersion: '0.2.0', securityRelease: true },
    }),
  );
  expect((await screen.findByTestId('upgrade', undefined, RENDERED)).textContent).toBe('Security update: 0.2.0');
  screen.getByText('0.1.0');
});

test('a protected store is deleted only after its protection is switched off', async () => {
  let store = makeStore({ ...READY, deletionProtection: true });
  const requests: UpdateStoreRequest[] = [];
  renderApp({
    path: '/stores/tea',
    stores: {
      getStore: () => store,
      updateStore: (request: UpdateStoreRequest) => {
        requests.push(request);
        store = makeStore({ ...READY, deletionProtection: false, lastSequence: 2n });
        return store;
      },
    },
  });
  const button = await screen.findByRole('button', { name: 'Delete' }, RENDERED);
  await userEvent.click(button);
  expect(screen.queryByRole('dialog')).toBeNull();
  const protection = screen.getByRole('switch', { name: 'Deletion protection' });
  await userEvent.click(protection);
  await waitFor(() => expect(protection).toHaveProperty('checked', false));
  expect(requests[0]).toMatchObject({ storeId: 'tea', uid: 'uid-tea', updateMask: { paths: ['deletion_protection'] } });
  expect(requests[0]?.store?.deletionProtection).toBe(false);
  await userEvent.click(button);
  await screen.findByRole('dialog');
});

test('a rotation of credentials says what follows, and applies only to the state that was shown', async () => {
  const requests: RotateStoreCredentialsRequest[] = [];
  open(makeStore({ ...READY, etag: 'e1' }), {
    rotateStoreCredentials: (request: RotateStoreCredentialsRequest) => {
      requests.push(request);
      return makeStore({ ...READY, state: StoreState.UPDATING, lastSequence: 2n });
    },
  });
  await userEvent.click(await screen.findByRole('button', { name: 'Rotate credentials' }, RENDERED));
  const dialog = await screen.findByRole('dialog', { name: 'Rotate the credentials?' });
  within(dialog).getByText(/the carts of visitors are emptied/);
  expect(requests).toEqual([]);
  await userEvent.click(within(dialog).getByRole('button', { name: 'Rotate credentials' }));
  await waitFor(() => expect(requests[0]).toMatchObject({ storeId: 'tea', uid: 'uid-tea', etag: 'e1' }));
});

test('a retry that creates an empty shop needs confirmation and applies only to the state that was shown', async () => {
  const requests: RetryStoreRequest[] = [];
  open(makeStore({ ...READY, state: StoreState.DEGRADED, reason: 'NAMESPACE_MISSING', etag: 'e1' }), {
    retryStore: (request: RetryStoreRequest) => {
      requests.push(request);
      return makeStore();
    },
  });
  await userEvent.click(await screen.findByRole('button', { name: 'Retry' }, RENDERED));
  const dialog = await screen.findByRole('dialog', { name: 'Create a new, empty shop?' });
  expect(requests).toEqual([]);
  await userEvent.click(within(dialog).getByRole('button', { name: 'Create an empty shop' }));
  await waitFor(() => expect(requests[0]).toMatchObject({ storeId: 'tea', uid: 'uid-tea', etag: 'e1' }));
});

test('drift is described, and the retry that ends it says so', async () => {
  const requests: RetryStoreRequest[] = [];
  const message = 'The release differs from revision 3: value store.plan.';
  const conditions = [{ type: 'ConfigurationDrifted', status: ConditionStatus.TRUE, message }];
  open(makeStore({ ...READY, etag: 'e1', conditions }), {
    retryStore: (request: RetryStoreRequest) => {
      requests.push(request);
      return makeStore();
    },
  });
  const notice = await screen.findByRole('alert', { name: 'The configuration has drifted' }, RENDERED);
  within(notice).getByText(message);
  await userEvent.click(screen.getByRole('button', { name: 'Reapply chart' }));
  const dialog = await screen.findByRole('dialog', { name: 'Apply the chart again?' });
  within(dialog).getByText(/changes made with helm or kubectl are undone/);
  await userEvent.click(within(dialog).getByRole('button', { name: 'Reapply chart' }));
  await waitFor(() => expect(requests[0]).toMatchObject({ storeId: 'tea', uid: 'uid-tea', etag: 'e1' }));
});

test('cancelling a creation names what is removed before the request is sent', async () => {
  const cancelOperation = vi.fn(() => ({ operationId: 'op-1' }));
  renderApp({
    path: '/stores/tea',
    stores: { getStore: () => makeStore() },
    operations: { cancelOperation },
  });
  await userEvent.click(await screen.findByRole('button', { name: 'Cancel' }, RENDERED));
  const dialog = await screen.findByRole('dialog', { name: 'Cancel the creation?' });
  within(dialog).getByText(/also applies to stores that keep their resources/);
  await userEvent.click(within(dialog).getByRole('button', { name: 'Keep running' }));
  expect(cancelOperation).not.toHaveBeenCalled();
  await userEvent.click(screen.getByRole('button', { name: 'Cancel' }));
  await userEvent.click(await screen.findByRole('button', { name: 'Cancel creation' }));
  await waitFor(() => expect(cancelOperation).toHaveBeenCalled());
});

test('cancelling an update says that the shop gets its previous settings again', async () => {
  renderApp({
    path: '/stores/tea',
    stores: { getStore: () => makeStore({ ...READY, state: StoreState.UPDATING }) },
    operations: {
      listOperations: () => ({
        operations: [
          { operationId: 'op-1', storeUid: 'uid-tea', kind: OperationKind.UPDATE, state: OperationState.RUNNING },
        ],
      }),
    },
  });
  await screen.findByRole('heading', { name: 'Update steps' }, RENDERED);
  await userEvent.click(screen.getByRole('button', { name: 'Cancel' }));
  within(await screen.findByRole('dialog', { name: 'Cancel this operation?' })).getByText(
    /previous chart and settings/,
  );
});

test('resources come from the cluster, and are dated and greyed when it cannot be reached', async () => {
  let isDown = false;
  const { watch } = open(makeStore(READY), {
    getStoreResources: () => {
      if (isDown) throw new ConnectError('the API server does not respond', Code.FailedPrecondition);
      const pod = { kind: 'Pod', name: 'store-1', status: 'CrashLoopBackOff', restarts: 4, owner: 'Deployment/store' };
      return { time: timestampFromMs(BEGIN), resources: [{ kind: 'Deployment', name: 'store', ready: true }, pod] };
    },
  });
  const panel = await screen.findByRole('region', { name: 'Resources' }, RENDERED);
  await within(panel).findByText(/1 of 2 ready/);
  await within(panel).findByText(/CrashLoopBackOff, 4 restarts/);
  isDown = true;
  watch.emit(makeEvent(2, { type: 'RESOURCE_CHANGED' }));
  await within(panel).findByText('Not current: The API server does not respond.', undefined, RENDERED);
  expect(panel.querySelector('.resources')?.getAttribute('data-outdated')).toBe('true');
});

test('the page works with a server that lacks newer calls', async () => {
  open(makeStore(READY));
  const panel = await screen.findByRole('region', { name: 'Resources' }, RENDERED);
  await within(panel).findByText("This server version doesn't support it.");
  await userEvent.click(screen.getByRole('button', { name: 'Show logs' }));
  const logs = screen.getByRole('region', { name: 'Logs and Kubernetes events' });
  await within(logs).findByText("This server version doesn't support it.");
});

test('logs are read on request, by container, with the events of Kubernetes', async () => {
  const getStoreLogs = vi.fn(() => ({
    logs: [
      { pod: 'store-1', container: 'web', lines: ['one', 'two'] },
      { pod: 'store-1', container: 'web', previous: true, lines: ['fatal'] },
    ],
    events: [{ type: 'Warning', reason: 'BackOff', object: 'Pod/store-1', message: 'restarting', count: 3 }],
  }));
  open(makeStore(READY), { getStoreLogs });
  const panel = await screen.findByRole('region', { name: 'Logs and Kubernetes events' }, RENDERED);
  expect(getStoreLogs).not.toHaveBeenCalled();
  await userEvent.click(within(panel).getByRole('button', { name: 'Show logs' }));
  expect((await within(panel).findByLabelText('Log of store-1 / web')).textContent).toBe('one\ntwo');
  await userEvent.selectOptions(within(panel).getByLabelText('Container'), 'store-1 / web (previous)');
  within(panel).getByText('fatal');
  within(panel).getByText('restarting');
});

test('the credentials move the focus along, and hiding them moves it back', async () => {
  open(makeStore(READY), { getStoreCredentials: () => ({ username: 'admin', password: 'secret' }) });
  const show = await screen.findByRole('button', { name: 'Show admin credentials' }, RENDERED);
  await userEvent.click(show);
  const hide = await screen.findByRole('button', { name: /^Hide/ });
  screen.getByText('secret');
  expect(document.activeElement).toBe(hide);
  await userEvent.click(hide);
  expect(screen.queryByText('secret')).toBeNull();
  expect(document.activeElement).toBe(screen.getByRole('button', { name: 'Show admin credentials' }));
});

test('events of several days are listed under their days, and a degraded store is named and coloured as such', async () => {
  const day = 86_400;
  open(makeStore({ ...READY, lastSequence: BigInt(day + 2) }), {
    watchStore: async function* () {
      const degraded = { state: 'DEGRADED', reason: 'CRASH_LOOP' };
      yield { update: { case: 'event', value: makeEvent(1, { type: 'STEP_STARTED' }) } };
      const event = makeEvent(day, { sequence: 2n, type: 'STATE_CHANGED', message: 'Degraded', details: degraded });
      yield { update: { case: 'event', value: event } };
      yield { update: { case: 'caughtUp', value: {} } };
    },
  });
  const timeline = await screen.findByTestId('timeline', undefined, RENDERED);
  const days = await within(timeline).findAllByRole('heading', { level: 3 }, RENDERED);
  expect(days.map((heading) => heading.textContent)).toEqual([
    expect.stringContaining('2026'),
    expect.stringContaining('2026'),
  ]);
  within(timeline).getByText('State changed: Degraded · Crash loop');
  const item = timeline.querySelector('[data-type=STATE_CHANGED] .dot');
  expect(item?.getAttribute('style')).toContain('yellow');
});
