// Shops sell and are backed up while the server, the Jobs' pods and the databases are killed at random. Then a backup of each shop is restored, and
// compared with what its customers were told.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { backupEnded, restore } from './backups.mjs';
import { call, eventually, kubectl, watch } from './calls.mjs';
import { engine } from './engines/index.mjs';

const [minutes, shops] = process.argv.slice(2).map(Number);
const { ENGINE, SERVER_PID_FILE } = process.env;
const { buy, orders } = engine;
/** Between two kills, in milliseconds: at least, and at most in addition. */
const CALM = [4000, 12_000];
const began = Date.now();
const log = (text) => console.log(`${((Date.now() - began) / 1000).toFixed(1).padStart(6)} s  ${text}`);
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const pick = (list) => list[Math.floor(Math.random() * list.length)];
const until = began + minutes * 60_000;
let running = true;

async function create(index) {
  const store_id = `soak-${began.toString(36)}-${index}`;
  const { uid, namespace } = await call('CreateStore', { store_id, store: { engine: ENGINE, display_name: store_id, admin_email: 'owner@example.com' } });
  await watch(store_id, uid, 'SETTLED', 600);
  const store = await call('GetStore', { store_id });
  assert.equal(store.state, 'STORE_STATE_READY', `${store.reason} ${store.message}`);
  return { store_id, uid, namespace, url: store.shopUrl, sold: [], refused: 0, backups: [] };
}

/** Sells until the end. An order counts once the customer was told its number. */
async function sell(shop) {
  while (running) {
    const from = Date.now();
    try {
      const order = await buy(shop.url, 1 + Math.floor(Math.random() * 5));
      shop.sold.push({ ...order, from, at: Date.now() });
    } catch {
      shop.refused += 1;
      await pause(500);
    }
  }
}

/** Makes one backup after another until the end. The server may be away for seconds at any time. */
async function backUpAgain(shop) {
  while (running) {
    const from = Date.now();
    // the same request_id makes it safe to repeat a call whose answer was lost
    const request = { store_id: shop.store_id, request_id: crypto.randomUUID() };
    let started;
    try {
      started = await eventually(120, () => call('BackupService/CreateBackup', request));
    } catch (error) {
      log(`${shop.store_id}: no backup could be started: ${String(error.stderr ?? error).trim()}`);
      continue;
    }
    const backup = await backupEnded(started, 900);
    shop.backups.push({ ...backup, from });
    const why = backup.state === 'BACKUP_STATE_COMPLETE' ? '' : `: ${backup.reason} ${backup.message}`;
    log(`${shop.store_id}: backup ${backup.backupId} is ${backup.state.slice(13)} after ${((Date.now() - from) / 1000).toFixed(1)} s, ${shop.sold.length} orders sold${why}`);
  }
}

const deletePods = (shop, ...which) => kubectl('-n', shop.namespace, 'delete', 'pod', ...which, '--grace-period=0', '--force', '--ignore-not-found');
const KILLS = {
  server: async () => process.kill(Number(await readFile(SERVER_PID_FILE, 'utf8')), 'SIGKILL'),
  database: (shop) => deletePods(shop, 'store-db-0'),
  job: async (shop) => {
    const found = await deletePods(shop, '--selector', 'app.kubernetes.io/component=backup', '--field-selector', 'status.phase=Running');
    if (!found.includes('deleted')) throw new Error('no Job is running');
  },
};
const killed = { server: 0, database: 0, job: 0 };
async function kill(all) {
  while (running) {
    await pause(CALM[0] + Math.random() * CALM[1]);
    const [what, shop] = [pick(Object.keys(KILLS)), pick(all)];
    try {
      await KILLS[what](shop);
    } catch {
      continue; // there is none just now
    }
    killed[what] += 1;
    log(`killed: ${what}${what === 'server' ? '' : ` of ${shop.store_id}`}`);
  }
}

/** Restores one of the complete backups; every order that was acknowledged before it was requested must be there as the customer was told. */
async function restored(shop) {
  const complete = shop.backups.filter(({ state }) => state === 'BACKUP_STATE_COMPLETE');
  // not the first and the last one: orders were placed before it and after it
  const backup = pick(complete.slice(1, -1));
  assert.ok(backup, `${shop.store_id} has three complete backups`);
  const from = Date.now();
  await restore(shop.store_id, shop.uid, backup.backupId);
  const seconds = ((Date.now() - from) / 1000).toFixed(1);
  const found = await orders(shop.namespace);
  const before = shop.sold.filter(({ at }) => at < backup.from);
  const after = shop.sold.filter((order) => order.from > Date.parse(backup.completeTime));
  assert.ok(before.length > 0 && after.length > 0, `${shop.store_id}: customers ordered before and after backup ${backup.backupId}`);
  for (const { id, total, status } of before) assert.deepEqual(found.get(id), { total, status }, `${shop.store_id}: order ${id} of backup ${backup.backupId}`);
  for (const { id } of after) assert.ok(!found.has(id), `${shop.store_id}: order ${id} is younger than backup ${backup.backupId}`);
  log(`${shop.store_id}: backup ${backup.backupId} restored in ${seconds} s: ${before.length} of ${before.length} orders from before it are there, none of ${after.length} from after it`);
}

const all = await Promise.all(Array.from({ length: shops }, (_, index) => create(index + 1)));
log(`${shops} shops are READY; selling, backing up and killing for ${minutes} minutes`);
const work = all.flatMap((shop) => [sell(shop), backUpAgain(shop)]);
const stop = pause(until - Date.now()).then(() => (running = false));
await Promise.all([stop, kill(all), ...work]);
for (const shop of all) {
  // a shop whose database was killed last becomes READY again
  await eventually(180, async () => assert.equal((await call('GetStore', { store_id: shop.store_id })).state, 'STORE_STATE_READY'));
  await restored(shop);
}
const count = (of) => all.reduce((sum, shop) => sum + of(shop), 0);
const complete = count((shop) => shop.backups.filter(({ state }) => state === 'BACKUP_STATE_COMPLETE').length);
log(`${count((shop) => shop.sold.length)} orders, ${count((shop) => shop.refused)} refused while something was down; ${complete} of ${count((shop) => shop.backups.length)} backups complete`);
log(`killed: server ${killed.server} times, databases ${killed.database}, pods of Jobs ${killed.job}`);
for (const shop of all) {
  await call('DeleteStore', { store_id: shop.store_id });
  await watch(shop.store_id, shop.uid, 'DELETED', 180);
}
