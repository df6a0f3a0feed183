import type { StoreEvent } from '@/gen/storeplane/v1/event_pb';
import { bytes } from './bytes';
import { words } from './words';

const TOTAL = 'bytes';
const PART = /^(.+)_bytes$/;

/** What a BACKUP_PROGRESS event reports: `3 MiB stored (database 1 MiB, uploads 2 MiB)`. */
export function progressText({ details }: StoreEvent): string {
  const amount = (name: string) => (/^\d+$/.test(details[name] ?? '') ? bytes(BigInt(details[name] ?? '')) : undefined);
  const total = amount(TOTAL);
  if (total === undefined) return '';
  const parts = Object.keys(details)
    .sort()
    .flatMap((name) => {
      const [, part] = PART.exec(name) ?? [];
      const size = part && amount(name);
      return size ? [`${words(part).toLowerCase()} ${size}`] : [];
    });
  return parts.length > 0 ? `${total} stored (${parts.join(', ')})` : `${total} stored`;
}

/** The progress of the operation's backup; empty unless its data is being stored. */
export function backupProgress(events: StoreEvent[], operationId: string): string {
  const last = events.findLast(
    (event) =>
      event.operationId === operationId && /^(BACKUP_PROGRESS|STEP_(STARTED|SUCCEEDED|FAILED))$/.test(event.type),
  );
  return last?.type === 'BACKUP_PROGRESS' ? progressText(last) : '';
}

/** Without reports of progress that a later one of the same operation has replaced. */
export function withoutOldProgress(events: StoreEvent[]): StoreEvent[] {
  const isProgress = ({ type }: StoreEvent) => type === 'BACKUP_PROGRESS';
  const latest = new Map(events.filter(isProgress).map((event) => [event.operationId, event]));
  return events.filter((event) => !isProgress(event) || latest.get(event.operationId) === event);
}
