'use strict';
// A database that was restored from another shop's backup becomes this store's.
const { setTimeout: pause } = require('node:timers/promises');
const { Database } = require('./database');
const { BootstrapError, say, setting } = require('./report');
const { applyUrl } = require('./url');

/** Seconds to wait for a restore. */
const RESTORE_SECONDS = 3600;

/** With STORE_SEED=wait the database comes from a restore: waits until it is there. Each look is a new connection, because the restore exchanges the
 *  database. The pod's replacement continues to wait if this one ends. */
async function waitForRestore() {
  for (const end = Date.now() + RESTORE_SECONDS * 1000, told = { once: false }; ; await pause(1000)) {
    const db = await Database.connect();
    const phase = await db.phase().finally(() => db.end());
    if (phase !== 'empty') return;
    if (!told.once) say('waiting until a backup is restored');
    told.once = true;
    if (Date.now() > end) throw new BootstrapError('no backup was restored within an hour');
  }
}

/** Whether the shop in the database belongs to another store. */
async function isCopy(db) {
  const uid = setting('STORE_UID');
  return setting('STORE_SEED') === 'wait' && uid !== '' && (await db.recall('uid')) !== uid;
}

/** URL, then identity and login. The identity is set last: until then a run that was interrupted begins again. */
async function adoptCopy(db) {
  await applyUrl(db);
  await db.transaction(async () => {
    // what the other shop had begun and will finish itself: payments that wait for a provider, for example
    await db.query("DELETE FROM workflow_execution WHERE state NOT IN ('done', 'reverted', 'failed')");
    await db.query("DELETE FROM notification WHERE status = 'pending'");
    await db.forget('login', 'password');
    await db.remember({ uid: setting('STORE_UID') });
  });
  say('the copy has its own URL, identity and login');
}

module.exports = { adoptCopy, isCopy, waitForRestore };
