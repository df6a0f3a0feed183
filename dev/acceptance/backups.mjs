// Backups and restores through the control plane.

import assert from 'node:assert/strict';
import { call, eventually, watch } from './calls.mjs';

/** Backups of a store, newest first. */
export async function listBackups(store_id, filter) {
  return (await call('BackupService/ListBackups', { store_id, filter })).backups ?? [];
}

/** Waits until a backup has ended, in either way. `seconds` also covers the time without a server. */
export function backupEnded({ backupId }, seconds) {
  return eventually(seconds, async () => {
    const backup = await call('BackupService/GetBackup', { backup_id: backupId });
    assert.notEqual(backup.state, 'BACKUP_STATE_CREATING', `backup ${backupId} has not ended`);
    return backup;
  });
}

/** Makes a backup, which must succeed. */
export async function backUp(store_id) {
  const backup = await backupEnded(await call('BackupService/CreateBackup', { store_id }), 300);
  assert.equal(backup.state, 'BACKUP_STATE_COMPLETE', `${backup.reason} ${backup.message}`);
  return backup;
}

/** Restores a backup, and returns the events until the store is READY again. */
export async function restore(store_id, uid, backup_id) {
  await call('RestoreStore', { store_id, backup_id });
  const events = await watch(store_id, uid, 'SETTLED', 600);
  const store = await call('GetStore', { store_id });
  assert.equal(store.state, 'STORE_STATE_READY', `${store.reason} ${store.message}`);
  return events;
}
