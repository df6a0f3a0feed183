import { expect, test } from 'vitest';
import { targetText } from './audit-cells';

test('tokens, operations, backups and rollouts are named by kind and the end of their ID, not by a whole UUID', () => {
  const id = '0193a2b4-7c1d-7e2f-8a3b-4c5d6e7f8a9b';
  expect(targetText('CREATE_TOKEN', id)).toBe('token …4c5d6e7f8a9b');
  expect(targetText('CANCEL_OPERATION', id)).toBe('operation …4c5d6e7f8a9b');
  expect(targetText('DELETE_BACKUP', id)).toBe('backup …4c5d6e7f8a9b');
  expect(targetText('ABORT_ROLLOUT', id)).toBe('rollout …4c5d6e7f8a9b');
  expect(targetText('CREATE_TOKEN', 'ci')).toBe('ci');
  expect(targetText('CREATE_STORE', '')).toBe('–');
});
