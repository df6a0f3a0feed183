import { expect, test } from 'vitest';
import { activitySearch, auditFilter } from './search';

test.each(['RESTORE_STORE', 'COPY_STORE', 'UNDELETE_STORE', 'CREATE_BACKUP', 'DELETE_BACKUP', 'EXPIRE_BACKUP'])(
  '%s is a filter',
  (action) => {
    expect(auditFilter(activitySearch({ action }))).toBe(`action = ${action}`);
  },
);

test('an unknown action filters nothing', () => {
  expect(auditFilter(activitySearch({ action: 'LOSE_STORE' }))).toBe('');
});
