import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { screen, waitFor, within } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { expect, test } from 'vitest';
import {
  BackupState,
  BackupTrigger,
  type ListBackupsRequest,
  RestoreTestState,
} from '@/gen/storeplane/v1/backup_service_pb';
import { BEGIN } from '../../../test/fixtures';
import { RENDERED, renderApp } from '../../../test/render-app';

const COMPLETE = {
  backupId: 'b1',
  storeId: 'tea',
  storeUid: 'uid-tea',
  state: BackupState.COMPLETE,
  trigger: BackupTrigger.ON_DEMAND,
  description: 'before the sale',
  requestedBy: 'ada',
  sizeBytes: 1_572_864n,
  parts: [{ name: 'database', sizeBytes: 524_288n }],
  createTime: timestampFromMs(BEGIN),
  completeTime: timestampFromMs(BEGIN + 12_000),
};
const FAILED = {
  ...COMPLETE,
  backupId: 'b2',
  storeId: 'coffee',
  state: BackupState.FAILED,
  description: '',
  reason: 'BACKUP_STORAGE_FULL',
  message: 'The storage has no space left.',
  remedy: 'Enlarge the storage of backups.',
  completeTime: undefined,
};
const row = (id: string) => {
  const found = document.querySelector<HTMLElement>(`[data-backup=${id}]`);
  if (!found) throw new Error(`there is no row of ${id}`);
  return within(found);
};

test('each backup shows its store, size and note, and a failed one its cause and remedy', async () => {
  renderApp({ path: '/backups', backups: { listBackups: () => ({ backups: [COMPLETE, FAILED] }) } });
  const link = await screen.findByRole('link', { name: 'tea' }, RENDERED);
  expect(link.getAttribute('href')).toBe('/stores/tea?uid=uid-tea');
  for (const text of [
    'Complete',
    'in 12 s',
    `${(1.5).toLocaleString()} MiB`,
    'On demand',
    'before the sale',
    'by ada',
  ]) {
    row('b1').getByText(text);
  }
  for (const text of ['Failed', 'Backup storage full', FAILED.message]) row('b2').getByText(text);
  row('b2').getByText(/Enlarge the storage/);
  // Only the page of a store knows what is there now.
  expect(screen.queryByRole('button', { name: /^Restore/ })).toBeNull();
});

test('the test restore of each backup is shown with its result, time and reason', async () => {
  const time = timestampFromMs(BEGIN);
  const tested = (backupId: string, state: RestoreTestState, failure = {}) => ({
    ...COMPLETE,
    backupId,
    restoreTest: { state, startTime: time, endTime: time, ...failure },
  });
  const failure = { reason: 'IMPORT_FAILED', message: 'The import failed.' };
  const backups = [
    COMPLETE,
    FAILED,
    tested('b3', RestoreTestState.PASSED),
    tested('b4', RestoreTestState.FAILED, failure),
    tested('b5', RestoreTestState.RUNNING),
  ];
  renderApp({ path: '/backups', backups: { listBackups: () => ({ backups }) } });
  await screen.findByRole('columnheader', { name: 'Test restore' }, RENDERED);
  await waitFor(() => row('b1').getByText('Not tested'));
  const result = (id: string) => document.querySelector(`[data-backup=${id}] [data-restore-test]`);
  expect(result('b2')).toBeNull();
  expect(result('b3')?.textContent).toBe('Passed');
  expect(result('b3')?.parentElement?.querySelector('time')?.dateTime).toBe(new Date(BEGIN).toISOString());
  expect(result('b4')?.parentElement?.textContent).toMatch(/^Failed.*Import failed$/);
  row('b4').getByText('The import failed.', { exact: false });
  expect(result('b5')?.textContent).toBe('Running');
});

test('filters are sent, and pages follow the tokens of the server', async () => {
  const requests: ListBackupsRequest[] = [];
  renderApp({
    path: '/backups',
    backups: {
      listBackups: (request) => {
        requests.push(request);
        return request.filter
          ? { backups: [] }
          : { backups: [request.pageToken ? FAILED : COMPLETE], nextPageToken: request.pageToken ? '' : 't2' };
      },
    },
  });
  await userEvent.click(await screen.findByRole('button', { name: 'Older' }, RENDERED));
  await screen.findByRole('link', { name: 'coffee' });
  expect(requests.at(-1)).toMatchObject({ pageToken: 't2', pageSize: 50, storeId: '' });
  await userEvent.selectOptions(screen.getByLabelText('State'), 'FAILED');
  await screen.findByText('No matching backups');
  expect(requests.at(-1)).toMatchObject({ filter: 'state = FAILED', pageToken: '' });
});

test('a deletion names what is lost, and the backup stays in the list until it is removed', async () => {
  let state = BackupState.COMPLETE;
  const deleted: string[] = [];
  renderApp({
    path: '/backups',
    role: 'operator',
    backups: {
      listBackups: () => ({ backups: [{ ...COMPLETE, state }] }),
      deleteBackup: ({ backupId }) => {
        deleted.push(backupId);
        state = BackupState.DELETING;
        return { ...COMPLETE, state };
      },
    },
  });
  await userEvent.click(await screen.findByRole('button', { name: /^Delete backup of tea/ }, RENDERED));
  const dialog = within(await screen.findByRole('dialog'));
  dialog.getByText(/The backup of tea of .* is removed from the storage, with the database and files .*MiB/);
  expect(deleted).toEqual([]);
  await userEvent.click(dialog.getByRole('button', { name: 'Delete backup' }));
  await waitFor(() => row('b1').getByText('Deleting'));
  expect(deleted).toEqual(['b1']);
  expect(screen.queryByRole('button', { name: /^Delete backup of/ })).toBeNull();
});

test.each(['viewer', 'auditor'])('the role %s reads backups and is offered no change', async (role) => {
  const backups = [COMPLETE, { ...COMPLETE, backupId: 'b3', state: BackupState.CREATING }];
  renderApp({ path: '/backups', role, backups: { listBackups: () => ({ backups }) } });
  await screen.findByText(`${role} · default`, undefined, RENDERED);
  await waitFor(() => row('b3').getByText('Creating'));
  expect(screen.queryByRole('button', { name: /(Delete|Cancel) backup/ })).toBeNull();
});
