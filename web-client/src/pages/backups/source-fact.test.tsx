import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError } from '@connectrpc/connect';
import { screen, within } from '@testing-library/react';
import { expect, test } from 'vitest';
import { StoreEnvironment, StoreState } from '@/gen/storeplane/v1/store_pb';
import { BEGIN, makeStore } from '../../../test/fixtures';
import { RENDERED, renderApp } from '../../../test/render-app';

const time = timestampFromMs(BEGIN);
const SOURCE = { storeId: 'tea', storeUid: 'uid-tea', backupId: 'b1' };

/** The page of a store with the data of another one; `backup` is what became of the backup. */
async function source(storeId: string, backup: 'kept' | 'deleted', environment = StoreEnvironment.STAGING) {
  const store = makeStore({
    storeId,
    uid: 'uid-2',
    state: StoreState.READY,
    stateTime: time,
    environment,
    source: SOURCE,
  });
  renderApp({
    path: `/stores/${storeId}`,
    stores: { getStore: () => store },
    backups: {
      getBackup: ({ backupId }) => {
        if (backup === 'deleted') throw new ConnectError('there is no such backup', Code.NotFound);
        return { backupId, createTime: time };
      },
    },
  });
  return screen.findByTestId('source', undefined, RENDERED);
}

test('a copy names its source and the backup, with links that also find a deleted store', async () => {
  const fact = await source('tea-copy', 'kept');
  expect(fact.previousElementSibling?.textContent).toBe('Copied from');
  const store = within(fact).getByRole('link', { name: 'tea' });
  expect(store.getAttribute('href')).toBe('/stores/tea?uid=uid-tea');
  const backup = await within(fact).findByRole('link', { name: /^backup of .*2026/ });
  expect(backup.getAttribute('href')).toBe('/backups?store=tea');
  expect(backup.title).toBe('b1');
  screen.getByText(/^Staging\. Sends no e-mails/);
  const header = screen.getByRole('heading', { level: 1 }).parentElement as HTMLElement;
  within(header).getByText('Staging');
});

test('an undeleted store says so, also when its backup is gone', async () => {
  const fact = await source('tea', 'deleted', StoreEnvironment.PRODUCTION);
  expect(fact.previousElementSibling?.textContent).toBe('Undeleted from');
  await within(fact).findByText(/from a backup that was deleted since/);
  expect(screen.queryByText('Staging')).toBeNull();
});
