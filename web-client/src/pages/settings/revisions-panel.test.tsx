import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError } from '@connectrpc/connect';
import { screen, waitFor, within } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { beforeAll, expect, test } from 'vitest';
import { OperationKind, OperationState } from '@/gen/storeplane/v1/operation_pb';
import {
  StoreEnvironment,
  type StoreRevisionSchema,
  StoreState,
  StoreVersionsSchema,
  UpdatePreviewSchema,
} from '@/gen/storeplane/v1/store_pb';
import type { RollbackStoreRequest } from '@/gen/storeplane/v1/store_service_pb';
import { BEGIN, makeStore } from '../../../test/fixtures';
import { RENDERED, renderApp } from '../../../test/render-app';
import { loadSettings } from './lazy-settings';

// On a busy machine, this takes longer than a test waits.
beforeAll(() => loadSettings(), 60_000);

const time = timestampFromMs(BEGIN);
const READY = makeStore({ state: StoreState.READY, readyTime: time, stateTime: time, etag: 'e1', revision: 2 });
const FIRST: MessageInitShape<typeof StoreRevisionSchema> = {
  revision: 1,
  versions: { chart: '0.1.0', app: '11.0.1' },
  displayName: 'Tea & Co',
  plan: 'small',
  adminEmail: 'ada@example.com',
  environment: StoreEnvironment.PRODUCTION,
  values: { php: { memory: '256M' } },
  images: ['registry:5000/shop:11.0.1'],
  operationId: 'op-1',
  createTime: time,
};
const SECOND = { ...FIRST, revision: 2, plan: 'large', values: { php: { memory: '512M' } }, operationId: 'op-2' };
const PREVIEW = create(UpdatePreviewSchema, {
  changes: [{ field: 'plan', before: 'large', after: 'small' }],
  steps: ['UPGRADE'],
});

/** The page of a store with two revisions; `refusal` is the server's answer to a rollback. */
function setUp({ role = 'admin', store = READY, preview = PREVIEW, refusal = undefined as unknown } = {}) {
  const requests: RollbackStoreRequest[] = [];
  renderApp({
    path: '/stores/tea',
    role,
    stores: {
      getStore: () => store,
      listStoreRevisions: () => ({ revisions: [SECOND, FIRST] }),
      rollbackStore: (request) => {
        requests.push(request);
        if (refusal) throw refusal;
        return { ...store, updatePreview: preview };
      },
    },
    operations: {
      listOperations: () => ({
        operations: [
          { operationId: 'op-2', storeUid: 'uid-tea', kind: OperationKind.UPDATE, state: OperationState.SUCCEEDED },
        ],
      }),
    },
  });
  return { requests };
}

// By selector: on a page this large, a query by role takes seconds.
const revision = async (number: number) => {
  const find = () => document.querySelector<HTMLElement>(`[data-revision="${number}"]`);
  await waitFor(() => expect(find()).not.toBeNull(), RENDERED);
  return within(find() as HTMLElement);
};
const rollBackButton = async () => (await revision(1)).getByRole('button', { name: 'Roll back to revision 1' });

async function openRollBack() {
  await waitFor(async () => expect((await rollBackButton()).getAttribute('aria-disabled')).toBe('false'), RENDERED);
  await userEvent.click(await rollBackButton());
  return within(await screen.findByRole('dialog', { name: 'Roll tea back to revision 1?' }));
}

test('revisions name their settings, images and operations', async () => {
  setUp();
  const second = await revision(2);
  second.getByText('Current');
  second.getByText('large');
  second.getByText('registry:5000/shop:11.0.1');
  expect(second.queryByRole('button')).toBeNull();
  const link = await second.findByRole('link', { name: 'Update' });
  const anchor = new URL((link as HTMLAnchorElement).href).hash;
  await waitFor(() => expect(document.querySelector(anchor)?.textContent).toContain('op-2'));
  // Its operation is too old to be listed.
  (await revision(1)).getByText('op-1');
});

test('any two revisions are compared', async () => {
  setUp();
  await userEvent.click((await revision(1)).getByRole('button', { name: 'Compare revision 1' }));
  const dialog = within(await screen.findByRole('dialog', { name: 'Compare revisions' }));
  expect(dialog.getByLabelText('Settings').textContent).toBe('Plansmall → large');
  expect(dialog.getByLabelText('Values').textContent).toBe('php.memory256M → 512M');
  expect(dialog.queryByLabelText('Images')).toBeNull();
  await userEvent.selectOptions(dialog.getByLabelText('To'), 'Revision 1');
  dialog.getByText('Nothing differs.');
});

test('a rollback shows what it does before it is requested', async () => {
  const { requests } = setUp();
  const dialog = await openRollBack();
  expect((await dialog.findByLabelText('Changes')).textContent).toBe('Planlarge → small');
  expect(requests).toHaveLength(1);
  expect(requests[0]).toMatchObject({ storeId: 'tea', uid: 'uid-tea', revision: 1, etag: 'e1', validateOnly: true });
  expect(requests[0]?.acceptDataLoss).toBe(false);
  await userEvent.click(dialog.getByRole('button', { name: 'Roll back' }));
  await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
  expect(requests).toHaveLength(2);
  expect(requests[1]).toMatchObject({ revision: 1, etag: 'e1', validateOnly: false });
  expect(requests[1]?.requestId).toMatch(/^[0-9a-f-]{36}$/);
});

test('a rollback to another schema names what is lost, and is confirmed by the id of the store', async () => {
  const note = 'The shop gets the data of backup b-1. Orders since then are lost.';
  const preview = create(UpdatePreviewSchema, {
    steps: ['MAINTENANCE', 'RESTORE'],
    maintenancePage: true,
    restoredBackupId: 'b-1',
    lostSince: time,
    notes: [note],
  });
  const versions = create(StoreVersionsSchema, { chart: '0.2.0', app: '11.1.0', schema: '11.1' });
  const store = makeStore({ ...READY, versions });
  const { requests } = setUp({ store, preview });
  const dialog = await openRollBack();
  await dialog.findByText(note);
  dialog.getByText(/also gets the data of a backup/);
  dialog.getByText(/The backup is from/);
  const button = dialog.getByRole('button', { name: 'Roll back' });
  await userEvent.click(button);
  expect(requests).toHaveLength(1);
  await userEvent.type(dialog.getByRole('textbox'), 'tea');
  await userEvent.click(button);
  await waitFor(() => expect(requests).toHaveLength(2));
  expect(requests.map((request) => request.acceptDataLoss)).toEqual([true, true]);
});

test('a rollback that the server refuses cannot be confirmed', async () => {
  const { requests } = setUp({ refusal: new ConnectError('the chart is gone', Code.FailedPrecondition) });
  const dialog = await openRollBack();
  await dialog.findByText('The chart is gone.');
  expect(dialog.queryByRole('button', { name: 'Roll back' })).toBeNull();
  expect(requests.every(({ validateOnly }) => validateOnly)).toBe(true);
});

test('a viewer compares revisions, and is told why the store cannot be rolled back', async () => {
  setUp({ role: 'viewer' });
  (await revision(1)).getByRole('button', { name: 'Compare revision 1' });
  await userEvent.hover(await rollBackButton());
  await screen.findByText(/Your role does not permit rollbacks/);
  await userEvent.click(await rollBackButton());
  expect(screen.queryByRole('dialog')).toBeNull();
});

test('a deleted store keeps its revisions, and is not rolled back', async () => {
  setUp({ store: makeStore({ ...READY, state: StoreState.DELETED, deleteTime: time }) });
  (await revision(1)).getByRole('button', { name: 'Compare revision 1' });
  expect((await revision(1)).queryByRole('button', { name: /^Roll back/ })).toBeNull();
});
