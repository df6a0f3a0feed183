import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { screen, waitFor, within } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { expect, test } from 'vitest';
import { BackupState } from '@/gen/storeplane/v1/backup_service_pb';
import { StoreState } from '@/gen/storeplane/v1/store_pb';
import type { UndeleteStoreRequest } from '@/gen/storeplane/v1/store_service_pb';
import { BEGIN, makeEvent, makeStore } from '../../../test/fixtures';
import { RENDERED, renderApp } from '../../../test/render-app';

const DAY = 86_400_000;
const now = Date.now();
const DELETED = makeStore({
  state: StoreState.DELETED,
  deleteTime: timestampFromMs(BEGIN),
  stateTime: timestampFromMs(BEGIN),
  shopUrl: 'https://tea.shops.test',
});
const backup = (backupId: string, days: number) => ({
  backupId,
  storeId: 'tea',
  storeUid: 'uid-tea',
  state: BackupState.COMPLETE,
  sizeBytes: 1024n,
  createTime: timestampFromMs(now - days * DAY),
});
const BACKUPS = [{ ...backup('b3', 1), state: BackupState.FAILED }, backup('b2', 2), backup('b1', 3)];

/** The page of a deleted store. `present` is another store with its ID; requests are answered once `answered`. */
function setUp({ role = 'admin', backups = BACKUPS, present = DELETED, answered = Promise.resolve() } = {}) {
  const requests: UndeleteStoreRequest[] = [];
  /** What the page has asked: stores by uid, and complete backups. */
  const asked = new Set<string>();
  const undeleted = makeStore({ uid: 'uid-new', displayName: 'Tea again' });
  const { router, queryClient, watch } = renderApp({
    path: '/stores/tea?uid=uid-tea',
    role,
    stores: {
      getStore: ({ uid }) => {
        asked.add(uid);
        if (uid === 'uid-tea') return DELETED;
        return requests.length > 0 ? undeleted : present;
      },
      undeleteStore: async (request) => {
        requests.push(request);
        await answered;
        return undeleted;
      },
    },
    backups: {
      listBackups: ({ filter }) => {
        if (!filter.includes('state = COMPLETE')) return { backups };
        asked.add('complete');
        return { backups: backups.filter(({ state }) => state === BackupState.COMPLETE) };
      },
    },
  });
  return { requests, asked, router, queryClient, watch };
}

const row = async (id: string) => {
  await waitFor(() => expect(document.querySelector(`[data-backup=${id}]`)).not.toBeNull(), RENDERED);
  return within(document.querySelector(`[data-backup=${id}]`) as HTMLElement);
};
const dialog = async () => within(await screen.findByRole('dialog', { name: 'Undelete Tea & Co?' }));

test('a deleted store is undeleted from its newest complete backup, and the page of the new store opens', async () => {
  const { requests, router } = setUp();
  await userEvent.click(await screen.findByRole('button', { name: 'Undelete' }, RENDERED));
  const question = await dialog();
  question.getByText(/same ID, tea, and the same URL, https:\/\/tea\.shops\.test\. It gets new credentials/);
  expect(question.getByLabelText('Backup')).toHaveProperty('value', 'b2');
  expect(question.getByTestId('data-age').textContent).toMatch(
    /\(2 d ago\)\. Orders, customers and other changes .* are lost/,
  );
  await userEvent.click(question.getByRole('button', { name: 'Undelete store' }));
  await screen.findByRole('heading', { level: 1, name: 'Tea again' }, RENDERED);
  expect(requests).toHaveLength(1);
  expect(requests[0]).toMatchObject({ storeId: 'tea', uid: 'uid-tea', backupId: 'b2' });
  expect(requests[0]?.requestId).toMatch(/^[0-9a-f-]{36}$/);
  expect(router.state.location.search).toEqual({});
});

test('another backup can be chosen in its row and in the dialog', async () => {
  const { requests } = setUp();
  await userEvent.click(
    await (await row('b1')).findByRole('button', { name: /^Undelete from backup of tea, / }, RENDERED),
  );
  const question = await dialog();
  expect(question.getByLabelText('Backup')).toHaveProperty('value', 'b1');
  expect(question.getByTestId('data-age').textContent).toContain('(3 d ago)');
  await userEvent.selectOptions(question.getByLabelText('Backup'), 'b2');
  expect(question.getByTestId('data-age').textContent).toContain('(2 d ago)');
  await userEvent.selectOptions(question.getByLabelText('Backup'), 'b1');
  await userEvent.click(question.getByRole('button', { name: 'Undelete store' }));
  await waitFor(() => expect(requests[0]?.backupId).toBe('b1'));
  expect((await row('b3')).queryByRole('button', { name: /^Undelete/ })).toBeNull();
});

test('a request goes on when the event of the new store arrives before its answer', async () => {
  let answer = () => {};
  const { requests, asked, watch } = setUp({ answered: new Promise<void>((resolve) => (answer = resolve)) });
  await userEvent.click(await screen.findByRole('button', { name: 'Undelete' }, RENDERED));
  await userEvent.click((await dialog()).getByRole('button', { name: 'Undelete store' }));
  await waitFor(() => expect(requests).toHaveLength(1));
  asked.clear();
  watch.emit(makeEvent(1, { uid: 'uid-new', type: 'STATE_CHANGED', details: { state: 'PROVISIONING' } }));
  await waitFor(() => expect(screen.queryByRole('button', { name: 'Undelete', hidden: true })).toBeNull());
  expect(asked).toContain('');
  answer();
  await screen.findByRole('heading', { level: 1, name: 'Tea again' }, RENDERED);
  expect(requests).toHaveLength(1);
});

test.each([
  ['the ID has another store', { present: makeStore({ uid: 'uid-other', state: StoreState.READY }) }, ['', 'uid-tea']],
  ['there is no complete backup', { backups: BACKUPS.slice(0, 1) }, ['', 'uid-tea', 'complete']],
  ['the role only reads', { role: 'viewer' }, ['uid-tea']],
])('nothing is offered if %s', async (_, part, questions) => {
  const { asked, queryClient } = setUp(part);
  await row('b3');
  await screen.findByText(/ · default$/, undefined, RENDERED);
  await waitFor(() => expect([...asked].sort()).toEqual([...questions].sort()));
  await waitFor(() => expect(queryClient.isFetching()).toBe(0));
  expect(screen.queryByRole('button', { name: /^Undelete/ })).toBeNull();
});
