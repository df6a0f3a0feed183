// Changes of shops through the control plane, without a browser: copies of a shop that sells meanwhile, the end of staging, settings, and upgrades,
// of which some fail in the ways that `images/` simulates. Whatever happens, every order is there afterwards and the shop sells.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { request } from 'node:http';
import { listBackups } from './backups.mjs';
import { call, eventually, kubectl, kubectlInput, watch } from './calls.mjs';
import { buy, orderTables } from './engines/woocommerce.mjs';
import { mailServer } from './mail.mjs';
import { outages } from './outages.mjs';

const id = `changes-${Date.now().toString(36)}`;
const began = Date.now();
const log = (text) => console.log(`${((Date.now() - began) / 1000).toFixed(1).padStart(6)} s  ${text}`);
const seconds = (since) => ((Date.now() - since) / 1000).toFixed(1);
/** The package of the chart with this version brings the image that `run` says. */
const [PATCH, NO_IMAGE, FAILING, NO_SALES, NEWER] = ['0.1.1', '0.2.0', '0.2.1', '0.2.2', '0.3.0'];

let store = await settled(await call('CreateStore', { store_id: id, store: { engine: 'woocommerce', display_name: 'Tea', admin_email: 'owner@example.com' } }));
const { namespace, shopUrl } = store;
await buy(shopUrl, 1);
log(`READY: ${shopUrl}, chart ${store.versions.chart}`);

const fill = await readFile(new URL('orders.sql', import.meta.url));
const script = 'MYSQL_PWD=$MARIADB_PASSWORD exec mariadb -u$MARIADB_USER $MARIADB_DATABASE';
await kubectlInput(fill, '-n', namespace, 'exec', '-i', 'store-db-0', '--', 'sh', '-c', script);
log('20,000 orders are in its database');
const customers = checkouts();
const copying = Date.now();
let copy = await settled(await call('CopyStore', { source_store_id: id, store_id: `${id}-copy` }));
const { made, failed } = await customers.end();
assert.deepEqual(failed, [], 'no checkout at the shop failed while it was copied');
log(`copied in ${seconds(copying)} s; ${made} checkouts at the shop meanwhile, none failed`);

const reached = async () => [await robots(copy.shopUrl), await kubectl('-n', copy.namespace, 'get', 'cronjob/store-cron', '-o', 'jsonpath={.spec.suspend}')];
assert.deepEqual(await reached(), [true, 'true'], 'a staging copy is not indexed, and runs no scheduled tasks');
copy = await changed(copy, { environment: 'STORE_ENVIRONMENT_PRODUCTION' });
// For some seconds the pods from before still answer.
await eventually(30, async () => assert.deepEqual(await reached(), [false, 'false'], 'it is a shop for customers'));
await buy(copy.shopUrl, 1);
await call('DeleteStore', { store_id: copy.storeId });
log('the copy became a shop for customers, and was deleted');

await observed('another name', () => changed(store, { displayName: 'Tea & Co' }));
store = await changed(store, { plan: 'standard' });
await eventually(30, async () => assert.match(await page(), /Tea &amp; Co/, 'customers see the new name'));
await call('RollbackStore', { store_id: id, revision: 1 });
store = await settled(store);
assert.deepEqual([store.displayName, store.plan], ['Tea', 'small']);
log(`returned to revision 1 as revision ${store.revision}`);

await sendsMail();
await hasPlugins();
await observed(`the patch release ${PATCH}`, async () => (store = await upgraded(PATCH)));
for (const [version, reason] of [
  [NO_IMAGE, /IMAGE_PULL_FAILED/],
  [FAILING, /CRASH_LOOP/],
  [NO_SALES, /VERIFICATION_FAILED/],
]) {
  const before = await placed();
  await observed(`the broken release ${version}`, () => upgraded(version));
  const after = await call('GetStore', { store_id: id });
  assert.deepEqual([after.state, after.versions.chart], ['STORE_STATE_READY', PATCH], `${after.reason} ${after.message}`);
  const operation = await call('OperationService/GetOperation', { operation_id: after.operation });
  assert.equal(operation.state, 'OPERATION_STATE_FAILED');
  assert.match(operation.reason, reason, operation.message);
  assert.deepEqual(await placed(), before, 'every order from before is there, and nothing else');
  const failedTable = await kubectl('-n', namespace, 'exec', 'store-db-0', '--', 'sh', '-c', `${script} -Ne "SHOW TABLES LIKE 'wp_failed_migration'"`);
  assert.equal(failedTable, '', 'the schema is the former one');
  await buy(shopUrl, 1);
  log(`  undone: ${operation.reason}; the shop sells`);
}
const orders = await placed();
await observed(`the release ${NEWER} with another schema`, async () => (store = await upgraded(NEWER)));
assert.equal(store.versions.chart, NEWER, `${store.reason} ${store.message}`);
assert.deepEqual(await placed(), orders);
await eventually(30, async () => assert.equal(await page('/release.txt'), 'newer\n'));
await buy(shopUrl, 1);
const [backup] = await listBackups(id, 'state = COMPLETE AND trigger = BEFORE_UPDATE');
assert.equal(backup.chartVersion, PATCH, 'the data of the former version is in a backup');

const since = await placed();
const newest = store.revision;
const back = { store_id: id, revision: newest - 1 };
await assert.rejects(call('RollbackStore', back), /SCHEMA_DIFFERS/, 'a rollback would lose orders');
const { updatePreview } = await call('RollbackStore', { ...back, accept_data_loss: true, validate_only: true });
assert.deepEqual([updatePreview.restoredBackupId, updatePreview.lostSince], [backup.backupId, backup.createTime]);
await observed('the rollback to the former schema', async () => {
  store = await settled(await call('RollbackStore', { ...back, accept_data_loss: true }));
});
assert.deepEqual([store.versions.chart, await placed()], [PATCH, orders], 'the data is that of the backup');
await buy(shopUrl, 1);
await observed('the way forward again', async () => {
  store = await settled(await call('RollbackStore', { ...back, revision: newest, accept_data_loss: true }));
});
assert.deepEqual([store.versions.chart, await placed()], [NEWER, since], 'the data is that from before the rollback');
await buy(shopUrl, 1);
await call('DeleteStore', { store_id: id });
await watch(id, store.uid, 'DELETED', 180);
log('DELETED');

/** Through a mail server that it was given: with its login and sender, until it is removed. */
async function sendsMail() {
  const login = { username: 'shop', password: 'p"a$s\\w=rd' };
  const server = await mailServer(process.env.BACKUPS, login);
  const smtp = { ...login, host: process.env.BACKUPS, port: server.port, encryption: 'SMTP_ENCRYPTION_NONE', fromAddress: 'shop@example.com', fromName: 'Tea' };
  const update = async (smtp) => settled(await call('UpdateStore', { store_id: id, store: smtp && { smtp }, update_mask: { paths: ['smtp'] } }));
  const send = () => kubectl('-n', namespace, 'exec', 'deploy/store', '-c', 'store', '--', 'wp', 'eval', "exit(wp_mail('customer@example.com', 'Hello', 'Your tea.') ? 0 : 3);");
  await observed('a mail server', () => update(smtp));
  // For some seconds the pods from before still run.
  await eventually(60, send);
  await buy(shopUrl, 1);
  await eventually(30, async () => assert.ok(server.mails.length >= 2, 'of the command, and of the order'));
  for (const { from, text } of server.mails) assert.ok(from === 'shop@example.com' && text.includes('From: Tea <shop@example.com>'), text);
  await update({ ...smtp, password: 'another' });
  await eventually(60, () => assert.rejects(send, 'the mail server refuses another password'));
  await update(undefined);
  await eventually(60, () => assert.rejects(send, 'without a mail server it sends none'));
  assert.equal(JSON.stringify(await call('GetStore', { store_id: id })).includes('smtp'), false);
  server.end();
  log(`${server.mails.length} mails were sent through it, with its sender`);
}

/** A plugin that is offered in two versions: chosen, replaced by the newest, taken back, and removed. */
async function hasPlugins() {
  const says = (version) => eventually(60, async () => assert.equal((await page()).match(/<!-- hello-tea (.+?) -->/)?.[1], version));
  const choose = async (plugins) => (store = await changed(store, { plugins }));
  await observed('a plugin', () => choose([{ name: 'hello-tea', version: '1.0.0' }]));
  await says('1.0.0');
  const { revision } = store;
  await observed('its newest version', () => choose([{ name: 'hello-tea' }]));
  assert.deepEqual(store.plugins, [{ name: 'hello-tea', version: '1.1.0' }]);
  await says('1.1.0');
  store = await settled(await call('RollbackStore', { store_id: id, revision }));
  await says('1.0.0');
  await choose([]);
  await says(undefined);
  const active = await kubectl('-n', namespace, 'exec', 'deploy/store', '-c', 'store', '--', 'wp', 'option', 'get', 'active_plugins', '--format=json');
  assert.ok(active.includes('woocommerce') && !active.includes('hello-tea'), active);
  await buy(shopUrl, 1);
  log('  taken back and removed; the shop sells');
}

/** Rows and checksums of the tables of orders, except the one that scheduled tasks tidy up. */
async function placed() {
  return (await orderTables(namespace)).filter(({ table }) => table !== 'wp_wc_orders_meta');
}

/** Waits until the store's operation has ended. */
async function settled({ storeId, uid }) {
  await watch(storeId, uid, 'SETTLED', 900);
  const now = await call('GetStore', { store_id: storeId });
  assert.equal(now.state, 'STORE_STATE_READY', `${now.reason} ${now.message}`);
  return now;
}

/** Changes fields of a store, after a preview. */
async function changed({ storeId }, fields) {
  const paths = Object.keys(fields).map((name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`));
  const request = { store_id: storeId, store: fields, update_mask: { paths } };
  const { updatePreview } = await call('UpdateStore', { ...request, validate_only: true });
  assert.ok(updatePreview.steps.includes('UPGRADE') && updatePreview.changes.length === paths.length, JSON.stringify(updatePreview));
  return settled(await call('UpdateStore', request));
}

async function upgraded(version) {
  return changed(store, { engineVersion: version });
}

/** What customers notice of a change. */
async function observed(what, change) {
  const [since, seen] = [Date.now(), outages(shopUrl)];
  await change();
  const { failed, total, longest } = await seen.end();
  log(`${what}: ${seconds(since)} s; ${failed} of ${total} requests failed, longest outage ${longest} ms`);
}

/** Customers who order one after the other, until `end`. */
function checkouts() {
  let [running, made] = [true, 0];
  const failed = [];
  const loop = async () => {
    while (running) {
      await buy(shopUrl, 1).then(() => (made += 1), (error) => failed.push(String(error)));
    }
  };
  const ended = Promise.all([loop(), loop()]);
  return { end: async () => ((running = false), await ended, { made, failed }) };
}

/** One request to a shop: its answer's headers and text. */
function ask(url) {
  const { host, pathname } = new URL(url);
  const at = new URL(`http://${process.env.INGRESS || host}/`);
  return new Promise((resolve, reject) => {
    const sent = request({ host: at.hostname, port: at.port || 80, path: pathname, headers: { host }, timeout: 20_000 }, (answer) => {
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', (part) => (text += part));
      answer.on('end', () => resolve({ headers: answer.headers, text }));
      answer.on('error', reject);
    });
    sent.on('timeout', () => sent.destroy(new Error(`${url}: no answer`)));
    sent.on('error', reject);
    sent.end();
  });
}

async function page(path = '/') {
  return (await ask(new URL(path, shopUrl).href)).text;
}

async function robots(url) {
  return /noindex/.test((await ask(url)).headers['x-robots-tag'] ?? '');
}
