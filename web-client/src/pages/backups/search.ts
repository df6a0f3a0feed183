import { BackupState } from '@/gen/storeplane/v1/backup_service_pb';
import { quote } from '../stores/search';

export const STATES = [BackupState.CREATING, BackupState.COMPLETE, BackupState.FAILED, BackupState.DELETING].map(
  (state) => BackupState[state] as string,
);

/** The URL's part of the backups. */
export interface BackupsSearch {
  /** Part of the store's ID. */
  store?: string;
  state?: string;
}

export function backupsSearch(search: Record<string, unknown>): BackupsSearch {
  return {
    store: search.store === undefined || search.store === '' ? undefined : String(search.store),
    state: STATES.find((each) => each === search.state),
  };
}

/** The filter of ListBackups (AIP-160). Bare text searches the store's ID. */
export function backupsFilter({ store, state }: BackupsSearch): string {
  const parts: string[] = [];
  if (store?.trim()) parts.push(quote(store.trim()));
  if (state) parts.push(`state = ${state}`);
  return parts.join(' AND ');
}
