import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { screen, waitFor, within } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { expect, test, vi } from 'vitest';
import { BackupState, type CreateBackupRequest, type ListBackupsRequest } from '@/gen/storeplane/v1/backup_service_pb';
import { type CancelOperationRequest, OperationKind, OperationState } from '@/gen/storeplane/v1/operation_pb';
import { StoreState } from '@/gen/storeplane/v1/store_pb';
import { BEGIN, makeEvent, makeStore } from '../../../test/fixtures';
import { RENDERED, renderApp } from '../../../test/render-app';

const time = timestampFromMs(BEGIN);
const READY = makeStore({ state: StoreState.READY, readyTime: time, stateTime: time, operation: 'op-1' });

/** A store whose backup runs once it was requested, and is complete when the test says so. */
function setUp(role = 'admin') {
  const made = { backup: BackupState.UNSPECIFIED };
  const lists: ListBackupsRequest[] = [];
  const created: CreateBackupRequest[] = [];
  const cancelled: CancelOperationRequest[] = [];
  const backup = () => ({
    backupId: 'b1',
    storeId: 'tea',
    storeUid: 'uid-tea',
    operationId: 'op-2',
    state: made.backup,
    simulated: true,
    createTime: time,
  });
  const operation = () => ({
    operationId: 'op-2',
    storeUid: 'uid-tea',
    kind: OperationKind.BACKUP,
    state: made.backup === BackupState.CREATING ? OperationState.RUNNING : OperationState.SUCCEEDED,
    step: 'VERIFY_BACKUP',
    createTime: time,
  });
  const isRequested = () => made.backup !== BackupState.UNSPECIFIED;
  const { watch } = renderApp({
    path: '/stores/tea',
    role,
    stores: { getStore: () => (isRequested() ? { ...READY, operation: 'op-2' } : READY) },
    operations: {
      listOperations: () => ({ operations: isRequested() ? [operation()] : [] }),
      cancelOperation: (request) => {
        cancelled.push(request);
        return operation();
      },
    },
    backups: {
      listBackups: (request) => {
        lists.push(request);
        return { backups: isRequested() ? [backup()] : [] };
      },
      createBackup: (request) => {
        created.push(request);
        made.backup = BackupState.CREATING;
        return backup();
      },
    },
  });
  return { made, lists, created, cancelled, watch };
}

// By selector: on a page this large, a query by role takes seconds.
async function panel() {
  const heading = await screen.findByText('Backups', { selector: 'h2' }, RENDERED);
  return within(heading.closest('section') as HTMLElement);
}
const createButton = async () => (await panel()).getByRole('button', { name: 'Create backup' });
const isEnabled = async () => expect((await createButton()).getAttribute('aria-disabled')).toBe('false');

async function createBackup() {
  await waitFor(isEnabled, RENDERED);
  await userEvent.click(await createButton());
  const dialog = within(await screen.findByRole('dialog'));
  await userEvent.type(dialog.getByLabelText(/Description/), ' before the sale ');
  await userEvent.click(dialog.getByRole('button', { name: 'Create backup' }));
  return (await panel()).findByText('Creating');
}

test('a backup is created with its note, runs beside the READY state, and an event shows its end', async () => {
  const { made, lists, created, watch } = setUp();
  await (await panel()).findByText('No backups yet');
  expect(lists[0]).toMatchObject({ storeId: 'tea', filter: 'store_uid = "uid-tea"' });
  await createBackup();
  expect(created[0]).toMatchObject({ storeId: 'tea', storeUid: 'uid-tea', description: 'before the sale' });
  expect((await screen.findByTestId('backup-line')).textContent).toMatch(/^Backup in progress: Verify backup/);
  expect(document.querySelector('h1 + [role=status] [data-state=READY]')).not.toBeNull();
  expect((await createButton()).getAttribute('aria-disabled')).toBe('true');
  expect(screen.queryByRole('button', { name: 'Reapply chart' })).toBeNull();
  const asked = lists.length;
  const progress = { bytes: '3145728', database_bytes: '1048576', uploads_bytes: '2097152' };
  watch.emit(makeEvent(2, { type: 'BACKUP_PROGRESS', operationId: 'op-2', details: progress }));
  await waitFor(() =>
    expect(screen.getByTestId('backup-line').textContent).toMatch(/, 3 MiB stored \(database 1 MiB, uploads 2 MiB\)$/),
  );
  made.backup = BackupState.COMPLETE;
  watch.emit(makeEvent(3, { type: 'BACKUP_COMPLETED', operationId: 'op-2' }));
  await (await panel()).findByText('Complete');
  (await panel()).getByText('Simulated, no data');
  expect(lists.length).toBe(asked + 1);
  await waitFor(isEnabled);
  expect(screen.queryByTestId('backup-line')).toBeNull();
});

test('a backup that runs is cancelled by its operation', async () => {
  const { cancelled } = setUp();
  await createBackup();
  await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
  await userEvent.click((await panel()).getByRole('button', { name: /^Cancel backup of tea/ }));
  await userEvent.click(within(await screen.findByRole('dialog')).getByRole('button', { name: 'Cancel backup' }));
  await vi.waitFor(() => expect(cancelled[0]).toMatchObject({ operationId: 'op-2', storeUid: 'uid-tea' }));
  await (await panel()).findByText('Cancelling…');
});

test('a viewer is told why no backup can be created', async () => {
  setUp('viewer');
  await (await panel()).findByText(/Your role does not permit backups/);
  await userEvent.click(await createButton());
  expect(screen.queryByRole('dialog')).toBeNull();
});
