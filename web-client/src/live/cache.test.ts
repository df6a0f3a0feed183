import { QueryClient } from '@tanstack/react-query';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { makeEvent } from '../../test/fixtures';
import { CacheFeed } from './cache';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** The lists that are read again after an event of this type. */
async function refreshed(type: string): Promise<string[]> {
  const client = new QueryClient();
  const invalidate = vi.spyOn(client, 'invalidateQueries');
  const feed = new CacheFeed(client);
  feed.apply([{ event: makeEvent(2, { type }), store: undefined }]);
  await vi.advanceTimersByTimeAsync(5_000);
  feed.stop();
  const keys = invalidate.mock.calls.map(([filters]) => String(filters?.queryKey));
  return keys.filter((key) => ['backups', 'stores', 'audit'].includes(key)).sort();
}

test.each([
  ['BACKUP_REQUESTED', ['audit', 'backups']],
  ['BACKUP_PROGRESS', []],
  ['BACKUP_COMPLETED', ['backups']],
  ['RESTORE_REQUESTED', ['backups']],
  ['STATE_CHANGED', ['audit', 'stores']],
  ['CONDITION_CHANGED', ['stores']],
  ['STEP_STARTED', []],
])('%s refreshes %j', async (type, lists) => {
  expect(await refreshed(type)).toEqual(lists);
});
