import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { BackupSchema, BackupTrigger } from '@/gen/storeplane/v1/backup_service_pb';
import { trigger } from './backup-cells';

test.each([
  [BackupTrigger.ON_DEMAND, 'On demand'],
  [BackupTrigger.SCHEDULED, 'Scheduled'],
  [BackupTrigger.BEFORE_RESTORE, 'Before a restore'],
  [BackupTrigger.COPY, 'For a copy'],
])('the trigger %i is shown as %s', (value, text) => {
  expect(trigger(create(BackupSchema, { trigger: value }))).toBe(text);
});
