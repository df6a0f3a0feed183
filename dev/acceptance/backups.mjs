// Backups and restores through the control plane, and the orders as the shop's database has them.

import assert from 'node:assert/strict';
import { call, eventually, kubectl, watch } from './calls.mjs';

const TABLES = ['wp_wc_orders', 'wp_wc_orders_meta', 'wp_wc_order_addresses', 'wp_wc_order_operational_data', 'wp_woocommerce_order_items', 'wp_woocommerce_order_itemmeta'];

/** The rows of a query in the shop's database. */
async function query(namespace, sql) {
  // sh expands the variables in the pod, where they are
  const script = 'MYSQL_PWD=$MARIADB_PASSWORD exec mariadb --user=$MARIADB_USER --batch --skip-column-names --execute="$0" $MARIADB_DATABASE';
  const text = await kubectl('-n', namespace, 'exec', 'store-db-0', '--', 'sh', '-c', script, sql);
  return text.split('\n').filter(Boolean).map((line) => line.split('\t'));
}

/** Number of rows and checksum of each table that has orders. */
export async function orderTables(namespace) {
  const counts = await query(namespace, TABLES.map((table) => `SELECT '${table}', COUNT(*) FROM ${table}`).join(' UNION ALL '));
  const sums = await query(namespace, `CHECKSUM TABLE ${TABLES.join(', ')}`);
  return counts.map(([table, count], index) => ({ table, count, checksum: sums[index][1] }));
}

/** All orders by id, as `{total, status}`. The total is in the currency's smallest unit. */
export async function orders(namespace) {
  const rows = await query(namespace, "SELECT id, ROUND(total_amount * 100), status FROM wp_wc_orders WHERE type = 'shop_order'");
  return new Map(rows.map(([id, total, status]) => [Number(id), { total: Number(total), status: status.replace(/^wc-/, '') }]));
}

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
