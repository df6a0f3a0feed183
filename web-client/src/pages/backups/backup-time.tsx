import type { Backup } from '@/gen/storeplane/v1/backup_service_pb';
import { Counting, DateTime } from '@/ui/time';

/** When the backup was begun, and how old its data is: what changed since then may be missing in it. */
export function BackupTime({ backup: { createTime } }: { backup: Backup }) {
  if (!createTime) return 'an unknown time';
  return (
    <>
      <DateTime time={createTime} /> (<Counting since={createTime} coarse /> ago)
    </>
  );
}
