import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { screen, waitFor, within } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { expect, test } from 'vitest';
import {
  type BackupSchema,
  BackupState,
  BackupTrigger,
  type ListBackupsRequest,
  RestoreTestState,
} from '@/gen/storeplane/v1/backup_service_pb';
import { OperationKind, OperationState } from '@/gen/storeplane/v1/operation_pb';
import { StoreState } from '@/gen/storeplane/v1/store_pb';
import type { RestoreStoreRequest } from '@/gen/storeplane/v1/store_service_pb';
import { BEGIN, makeEvent, makeStore } from '../../../test/fixtures';
import { RENDERED, renderApp } from '../../../test/render-app';

const time = timestampFromMs(BEGIN);
const READY = makeStore({ state: StoreState.READY, readyTime: time, stateTime: time });
const COMPLETE: MessageInitShape<typeof BackupSchema> = {
  backupId: 'b1',
  storeId: 'tea',
  storeUid: 'uid-tea',
  state: BackupState.COMPLETE,
  createTime: time,
};
/** The backup of the present data. */
const PRESENT = {
  ...COMPLETE,
  backupId: 'b9',
  state: BackupState.CREATING,
  trigger: BackupTrigger.BEFORE_RESTORE,
};

/** A store whose restore runs once it was requested. */
function setUp({ role = 'admin', backups = [COMPLETE], store = READY } = {}) {
  const requests: RestoreStoreRequest[] = [];
  const lists: ListBackupsRequest[] = [];
  const operation = { operationId: 'op-2', storeUid: 'uid-tea', kind: OperationKind.RESTORE, step: 'MAINTENANCE' };
  const present = () =>
    requests.length > 0 ? { ...store, state: StoreState.UPDATING, operation: 'op-2', lastSequence: 2n } : store;
  const { watch } = renderApp({
    path: '/stores/tea',
    role,
    stores: {
      getStore: present,
      restoreStore: (request) => {
        requests.push(request);
        return present();
      },
    },
    operations: {
      listOperations: () => ({
        operations: requests.length > 0 ? [{ ...operation, state: OperationState.RUNNING }] : [],
      }),
    },
    backups: {
      listBackups: (request) => {
        lists.push(request);
        return { backups: requests.length > 0 ? [PRESENT, ...backups] : backups };
      },
    },
  });
  return { requests, lists, watch };
}

// By selector: on a page this large, a query by role takes seconds.
const row = async (id: string) => {
  await waitFor(() => expect(document.querySelector(`[data-backup=${id}]`)).not.toBeNull(), RENDERED);
  return within(document.querySelector(`[data-backup=${id}]`) as HTMLElement);
};
const restoreButton = async (id = 'b1') => (await row(id)).getByRole('button', { name: /^Restore backup of tea, / });
const isDisabled = async (disabled: boolean) =>
  waitFor(async () => expect((await restoreButton()).getAttribute('aria-disabled')).toBe(String(disabled)), RENDERED);

async function openDialog() {
  await isDisabled(false);
  await userEvent.click(await restoreButton());
  return within(await screen.findByRole('dialog', { name: /^Restore / }));
}

test('a restore is confirmed, backs up the present data first, and is not offered while it runs', async () => {
  const { requests } = setUp();
  const dialog = await openDialog();
  const loss = dialog.getByText(/^The database and files of tea are replaced/);
  expect(loss.textContent).toMatch(/changes since .*2026.* ago\) are lost: they remain only in a backup/);
  dialog.getByText(/maintenance page/);
  expect(requests).toEqual([]);
  await userEvent.click(dialog.getByRole('button', { name: 'Restore backup' }));
  await isDisabled(true);
  expect(requests).toHaveLength(1);
  expect(requests[0]).toMatchObject({ storeId: 'tea', uid: 'uid-tea', backupId: 'b1', skipBackup: false });
  expect(requests[0]?.requestId).toMatch(/^[0-9a-f-]{36}$/);
  (await row('b9')).getByText('Before a restore');
  await userEvent.click((await row('b9')).getByRole('button', { name: /^Cancel backup/ }));
  // By name: the first dialog may still be closing.
  within(await screen.findByRole('dialog', { name: 'Cancel this backup?' })).getByText(
    /The restore that it precedes is cancelled too/,
  );
});

test('the backup of the present data is skipped only after a warning, and not by the next dialog', async () => {
  const { requests } = setUp();
  const first = await openDialog();
  await userEvent.click(first.getByLabelText('Skip the backup of the present data'));
  first.getByText(/is then lost/);
  expect(first.queryByText(/they remain only in a backup/)).toBeNull();
  first.getByText(/are lost\.$/);
  await userEvent.click(first.getByRole('button', { name: 'Cancel' }));
  await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
  const second = await openDialog();
  expect(second.queryByText(/is then lost/)).toBeNull();
  await userEvent.click(second.getByLabelText('Skip the backup of the present data'));
  await userEvent.click(second.getByRole('button', { name: 'Restore without a backup' }));
  await isDisabled(true);
  expect(requests).toHaveLength(1);
  expect(requests[0]).toMatchObject({ backupId: 'b1', skipBackup: true });
});

test('only a complete backup is restored', async () => {
  setUp({ backups: [COMPLETE, { ...COMPLETE, backupId: 'b2', state: BackupState.FAILED }] });
  await isDisabled(false);
  expect((await row('b2')).queryByRole('button', { name: /^Restore/ })).toBeNull();
});

test('a viewer is told why nothing can be restored, and is offered nothing else', async () => {
  setUp({ role: 'viewer' });
  await isDisabled(true);
  await userEvent.hover(await restoreButton());
  await screen.findByText(/Your role does not permit restores/);
  await userEvent.click(await restoreButton());
  expect(screen.queryByRole('dialog')).toBeNull();
  expect((await row('b1')).queryByRole('button', { name: /^(Delete|Cancel)/ })).toBeNull();
});

test('a deleted store is not restored', async () => {
  setUp({ store: makeStore({ state: StoreState.DELETED, deleteTime: time, stateTime: time }) });
  await (await row('b1')).findByRole('button', { name: /^Delete backup/ });
  expect((await row('b1')).queryByRole('button', { name: /^Restore/ })).toBeNull();
});

test('a restore that another caller requested shows the backup that it begins', async () => {
  const { lists, watch } = setUp();
  await isDisabled(false);
  const asked = lists.length;
  watch.emit(makeEvent(2, { type: 'RESTORE_REQUESTED', operationId: 'op-2' }));
  await waitFor(() => expect(lists.length).toBe(asked + 1));
});

test('a backup whose test restore failed is restored only after a warning', async () => {
  const restoreTest = { state: RestoreTestState.FAILED, reason: 'IMPORT_FAILED', message: 'The import failed.' };
  setUp({ backups: [{ ...COMPLETE, restoreTest }] });
  (await openDialog()).getByText('The last test restore of this backup failed: The import failed.');
});
