// A store from CreateStore to DeleteStore: it sells, survives a restart of its pods, is upgraded, and leaves nothing behind.

import assert from 'node:assert/strict';
import { backUp, listBackups, restore } from './backups.mjs';
import { call, eventually, helm, kubectl, watch } from './calls.mjs';
import { addDomain } from './domains.mjs';
import { engine } from './engines/index.mjs';
import { browser, visitor } from './shop.mjs';
import { outages } from './outages.mjs';

const { ENGINE, UPGRADE_TO, BACKUPS, CHART, PICTURES, DNS_PORT } = process.env;
const { buy, fillCart, isSignedOut, order, orderTables, seeCart, seeOrder, signIn } = engine;
const store_id = `acceptance-${Date.now().toString(36)}`;
const began = Date.now();
const log = (text) => console.log(`${((Date.now() - began) / 1000).toFixed(1).padStart(6)} s  ${text}`);

const created = await call('CreateStore', { store_id, store: { engine: ENGINE, display_name: 'Ada’s Tea & Co', admin_email: 'owner@example.com' } });
const { uid, namespace } = created;
await watch(store_id, uid, 'SETTLED', 300, (event) => log(`  ${event.message}`));
const store = await call('GetStore', { store_id });
assert.equal(store.state, 'STORE_STATE_READY', `${store.reason} ${store.message}`);
assert.ok(!store.simulated, 'this cluster is simulated: nothing can be bought there');
const isolated = store.conditions?.find((condition) => condition.type === 'NetworkIsolated');
assert.match(isolated?.status ?? '', /^CONDITION_STATUS_(TRUE|FALSE)$/, 'the shop reports whether network policies are enforced');
log(`  ${isolated.message}`);
log(`READY: ${store.shopUrl} (chart ${store.versions.chart}, ${store.versions.app})`);

const chromium = await browser();
try {
  const customer = await visitor(chromium, 'customer');
  await fillCart(customer, store.shopUrl);
  const number = await order(customer, store.shopUrl);
  log(`order ${number} placed`);
  assert.deepEqual(customer.errors, [], 'no script of the shop failed');

  let login = await call('GetStoreCredentials', { store_id });
  assert.match(login.username, engine.LOGIN);
  const owner = await visitor(chromium, 'owner');
  await signIn(owner, login);
  await seeOrder(owner, login, number, 'orders');
  log('the administrator sees the order');
  await fillCart(customer, store.shopUrl);

  await kubectl('-n', namespace, 'delete', 'pod', '--selector', 'app.kubernetes.io/component in (web, database)', '--wait=true');
  await rolledOut();
  await sameAsBefore(owner, customer, login, number, 'after-restart');
  log('both pods restarted: order, sign-in and cart are still there');

  if (BACKUPS) {
    const kept = await orderTables(namespace);
    const backup = await backUp(store_id);
    const later = await buy(store.shopUrl, 2);
    assert.notDeepEqual(await orderTables(namespace), kept, `order ${later.id} is in the tables`);
    const page = outages(store.shopUrl);
    const events = await restore(store_id, uid, backup.backupId);
    const { longest } = await page.end();
    assert.deepEqual(await orderTables(namespace), kept, 'the orders are those of the backup');
    await seeOrder(owner, login, number, 'after-restore');
    const [previous] = await listBackups(store_id, 'state = COMPLETE AND trigger = BEFORE_RESTORE');
    assert.ok(previous, 'the replaced data is in a backup');
    assert.ok(events.some(({ type, step }) => type === 'STEP_SUCCEEDED' && step === 'RESTORE'), 'the events tell of the restore');
    log(`backup of ${backup.sizeBytes} bytes restored: order ${later.id} after it is gone, order ${number} before it is there; offline for ${longest} ms`);
    await fillCart(customer, store.shopUrl);

    const copy = await settled(await call('CopyStore', { source_store_id: store_id, store_id: `${store_id}-copy` }));
    assert.deepEqual([copy.environment, copy.engine], ['STORE_ENVIRONMENT_STAGING', store.engine]);
    const visitorOfCopy = await visitor(chromium, 'copy');
    await fillCart(visitorOfCopy, copy.shopUrl);
    await settled(await call('DeleteStore', { store_id: copy.storeId }), 'DELETED');
    log(`copied as ${copy.shopUrl}, whose cart can be filled; the copy is deleted`);
  } else {
    log('backup, restore and copy: skipped (--backups-address is the address of this machine for pods)');
  }

  await changed({ display_name: 'Tea & More', plan: 'standard' });
  await eventually(60, async () => {
    await customer.page.goto(store.shopUrl);
    await customer.page.getByText('Tea & More').first().waitFor({ timeout: 5000 });
  });
  await customer.picture('renamed');
  const back = await settled(await call('RollbackStore', { store_id, revision: 1 }));
  assert.deepEqual([back.displayName, back.plan], [store.displayName, store.plan]);
  log(`another name and plan, and back to revision 1 as revision ${back.revision}`);

  if (DNS_PORT) {
    const { domain, makePrimary, remove } = await addDomain(store, settled);
    const { shopUrl } = await makePrimary();
    await fillCart(customer, shopUrl);
    const another = await order(customer, shopUrl);
    const there = await call('GetStoreCredentials', { store_id });
    await signIn(owner, there);
    await seeOrder(owner, there, another, 'domain-orders');
    log(`${domain} is proved, in the shop's URL, and redirected to: order ${another} placed and seen there`);
    await remove();
    await fillCart(customer, store.shopUrl);
    await seeOrder(owner, login, another, 'domain-removed');
    log(`${domain} is removed: the shop has its former URL`);
  } else {
    log('domain: skipped (--ingress is an IP address)');
  }

  const outage = outages(store.shopUrl);
  await call('RotateStoreCredentials', { store_id });
  await watch(store_id, uid, 'SETTLED', 300, (event) => log(`  ${event.message}`));
  const { failed, longest, total } = await outage.end();
  const rotated = await call('GetStore', { store_id });
  assert.equal(rotated.state, 'STORE_STATE_READY', `${rotated.reason} ${rotated.message}`);
  // For some seconds the pods from before still answer.
  await eventually(60, async () => assert.ok(await isSignedOut(owner, login), 'the administrator is signed out, and the old password no longer works'));
  const old = login;
  login = await call('GetStoreCredentials', { store_id });
  assert.equal(login.username, old.username);
  await signIn(owner, login);
  await seeOrder(owner, login, number, 'after-rotation');
  await fillCart(customer, store.shopUrl);
  log(`credentials rotated: ${failed} of ${total} requests to the shop failed; longest outage ${longest} ms`);

  if (UPGRADE_TO) {
    await helm('upgrade', `store-${store_id}`, CHART, '--namespace', namespace, '--reuse-values', '--set', `images.store.tag=${UPGRADE_TO}`);
    await rolledOut();
    // The pod from before ends a moment later.
    await eventually(60, async () => {
      const image = await kubectl('-n', namespace, 'get', 'pod', '--selector', 'app.kubernetes.io/component=web', '--output', 'jsonpath={.items[*].spec.containers[*].image}');
      assert.match(image, new RegExp(`^\\S+:${UPGRADE_TO}$`));
    });
    await sameAsBefore(owner, customer, login, number, 'after-upgrade');
    log(`upgraded to ${UPGRADE_TO}: order, sign-in and cart are still there`);
  } else {
    log('upgrade: skipped (--upgrade-to names a second image tag)');
  }
} finally {
  await chromium.close();
}

const volumes = (await kubectl('get', 'pv', '--output', `jsonpath={.items[?(@.spec.claimRef.namespace=="${namespace}")].metadata.name}`)).split(' ').filter(Boolean);
assert.ok(volumes.length > 0, 'the store has volumes');
await call('DeleteStore', { store_id });
await watch(store_id, uid, 'DELETED', 180);
assert.equal((await call('GetStore', { store_id, uid })).state, 'STORE_STATE_DELETED');
assert.equal(await kubectl('get', 'namespace', namespace, '--ignore-not-found', '--output', 'name'), '');
await eventually(60, async () => {
  const left = await kubectl('get', 'pv', ...volumes, '--ignore-not-found', '--output', 'name');
  assert.equal(left, '', 'its volumes are gone');
});
log(`DELETED: namespace and ${volumes.length} volumes are gone`);
console.log(`pictures: ${PICTURES}`);

/** Waits until the store's operation has ended: READY, unless it is to be deleted. */
async function settled({ storeId, uid }, until = 'SETTLED') {
  await watch(storeId, uid, until, 300);
  const now = await call('GetStore', { store_id: storeId, uid });
  assert.equal(now.state, until === 'SETTLED' ? 'STORE_STATE_READY' : 'STORE_STATE_DELETED', `${now.reason} ${now.message}`);
  return now;
}

async function changed(fields) {
  return settled(await call('UpdateStore', { store_id, store: fields, update_mask: { paths: Object.keys(fields) } }));
}

async function rolledOut() {
  for (const workload of ['statefulset/store-db', 'deployment/store']) {
    await kubectl('-n', namespace, 'rollout', 'status', workload, '--timeout=180s');
  }
}

async function sameAsBefore(owner, customer, login, number, what) {
  await eventually(30, () => seeOrder(owner, login, number, what));
  await seeCart(customer, store.shopUrl, what);
}
