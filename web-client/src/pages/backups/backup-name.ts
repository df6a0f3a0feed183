import { date, local } from '@/format/time';
import type { Backup } from '@/gen/storeplane/v1/backup_service_pb';

/** For screen readers: which of several backups. */
export function nameOf({ storeId, createTime }: Backup): string {
  const at = date(createTime);
  return at ? `${storeId}, ${local(at)}` : storeId;
}

/** ` of <time>`, to follow the word backup; empty if the time is absent. */
export function timeOf({ createTime }: Backup): string {
  const at = date(createTime);
  return at ? ` of ${local(at)}` : '';
}
