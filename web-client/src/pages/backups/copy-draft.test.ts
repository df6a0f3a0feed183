import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { BackupSchema } from '@/gen/storeplane/v1/backup_service_pb';
import { StoreEnvironment } from '@/gen/storeplane/v1/store_pb';
import { makeStore } from '../../../test/fixtures';
import { EMPTY, requestOf, shownOf } from './copy-draft';

const ORIGIN = { storeId: 'tea', storeUid: 'uid-tea' };
const SOURCE = makeStore({ adminEmail: 'ada@example.com' });

test('what was not typed is shown as the source has it, and left to the server', () => {
  expect(shownOf(EMPTY, SOURCE)).toEqual({
    displayName: 'Tea & Co (copy)',
    plan: 'small',
    adminEmail: 'ada@example.com',
  });
  const request = requestOf(ORIGIN, EMPTY);
  expect(request).toMatchObject({ sourceStoreId: 'tea', sourceUid: 'uid-tea', backupId: '', storeId: '' });
  expect(request.store).toMatchObject({
    displayName: '',
    plan: '',
    adminEmail: '',
    environment: StoreEnvironment.STAGING,
  });
});

test('what was typed is shown and sent, also if it was emptied', () => {
  const draft = { ...EMPTY, displayName: ' Trial ', storeId: ' trial ', plan: 'large', adminEmail: '' };
  expect(shownOf(draft, SOURCE)).toEqual({ displayName: ' Trial ', plan: 'large', adminEmail: '' });
  const backup = create(BackupSchema, { backupId: 'b1' });
  const request = requestOf({ ...ORIGIN, backup }, draft, 'tea-copy');
  expect(request).toMatchObject({ backupId: 'b1', storeId: 'trial' });
  expect(request.store).toMatchObject({ displayName: 'Trial', plan: 'large' });
  expect(requestOf(ORIGIN, EMPTY, 'tea-copy').storeId).toBe('tea-copy');
});
