import { expect, test } from 'vitest';
import { OperationKind } from '@/gen/storeplane/v1/operation_pb';
import { operationKind, stepTitle } from './words';

test('a copy reads as what it does', () => {
  expect(operationKind(OperationKind.COPY)).toBe('Copy');
});

test('a restore and its steps read as what they do', () => {
  expect(operationKind(OperationKind.RESTORE)).toBe('Restore');
  const titles = ['MAINTENANCE', 'BACK_UP', 'VERIFY_BACKUP', 'RESTORE', 'END_MAINTENANCE'].map(stepTitle);
  expect(titles).toEqual([
    'Take shop offline',
    'Back up database and files',
    'Verify backup',
    'Restore database and files',
    'Put shop back online',
  ]);
});

test('an update and its steps read as what they do', () => {
  expect(operationKind(OperationKind.UPDATE)).toBe('Update');
  expect(['UPGRADE', 'REVERT'].map(stepTitle)).toEqual(['Apply the chart', 'Apply the previous chart']);
});
