import { expect, test } from 'vitest';
import { makeEvent } from '../../test/fixtures';
import { backupProgress, progressText, withoutOldProgress } from './backup-progress';

const progress = (n: number, details: Record<string, string>) => makeEvent(n, { type: 'BACKUP_PROGRESS', details });
const started = makeEvent(1, { type: 'STEP_STARTED', step: 'BACK_UP' });

test('progress is shown in total and by part', () => {
  const details = { bytes: '3145728', database_bytes: '1048576', uploads_bytes: '2097152' };
  expect(progressText(progress(2, details))).toBe('3 MiB stored (database 1 MiB, uploads 2 MiB)');
  expect(progressText(progress(2, { bytes: '512' }))).toBe('512 B stored');
  expect(progressText(progress(2, { bytes: 'many' }))).toBe('');
});

test('the progress is the last of the operation, and ends with its step', () => {
  const first = progress(2, { bytes: '1024' });
  const second = progress(3, { bytes: '2048' });
  const waiting = makeEvent(4, { type: 'WAITING' });
  expect(backupProgress([started], 'op-1')).toBe('');
  expect(backupProgress([started, first, second, waiting], 'op-1')).toBe('2 KiB stored');
  expect(backupProgress([started, first], 'op-2')).toBe('');
  expect(backupProgress([started, first, makeEvent(4, { type: 'STEP_SUCCEEDED' })], 'op-1')).toBe('');
  expect(backupProgress([started, first, makeEvent(4, { type: 'STEP_STARTED' })], 'op-1')).toBe('');
});

test('only the last progress of each operation remains', () => {
  const other = { ...progress(4, { bytes: '1' }), operationId: 'op-2' };
  const events = [started, progress(2, { bytes: '1' }), progress(3, { bytes: '2' }), other];
  expect(withoutOldProgress(events).map(({ sequence }) => Number(sequence))).toEqual([1, 3, 4]);
});
