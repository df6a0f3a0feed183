'use strict';
// The administrator's login. The merchant may change its password, and may delete the user. Only a login that was renewed in the Secret since it was last
// applied is applied again: to the user who was the first administrator, found by id.
const { createHmac, randomBytes, randomInt, timingSafeEqual } = require('node:crypto');
const scrypt = require('scrypt-kdf');
const { say, setting } = require('./report');

const PROVIDER = 'emailpass';
/** Medusa's own parameters. */
const HASH = { logN: 15, r: 8, p: 1 };
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** An id in the form of Medusa's. */
function newId(prefix) {
  return prefix + Array.from({ length: 26 }, () => ALPHABET[randomInt(32)]).join('');
}

async function hash(password) {
  return Buffer.from(await scrypt.kdf(password, HASH)).toString('base64');
}

async function createAdministrator(db, email) {
  const [user, identity] = [newId('user_'), newId('authid_')];
  await db.query('INSERT INTO "user" (id, email) VALUES ($1, $2)', [user, email]);
  await db.query('INSERT INTO auth_identity (id, app_metadata) VALUES ($1, $2)', [identity, { user_id: user }]);
  const values = [newId(''), setting('STORE_ADMIN_USER'), PROVIDER, identity, { password: await hash(setting('STORE_ADMIN_PASSWORD')) }];
  await db.query('INSERT INTO provider_identity (id, entity_id, provider, auth_identity_id, provider_metadata) VALUES ($1, $2, $3, $4, $5)', values);
  await db.remember({ admin_id: user, ...appliedLogin() });
}

async function applyLogin(db) {
  const name = setting('STORE_ADMIN_USER');
  const password = setting('STORE_ADMIN_PASSWORD');
  const renewed = !isApplied(password, await db.recall('password')) || ((await db.recall('login')) ?? name) !== name;
  const found = await administrator(db, name);
  if (found === null) {
    say(`the administrator that the Secret's login is for was deleted in the shop: ${renewed ? 'the renewed login is not applied' : 'the login does not work'}`);
    return;
  }
  if (password === '' || !renewed) return;
  const taken = await db.query('SELECT 1 FROM provider_identity WHERE entity_id = $1 AND provider = $2 AND id <> $3 AND deleted_at IS NULL', [name, PROVIDER, found.id]);
  if (taken.length > 0) say(`another user of the shop has the login ${name} now: the administrator's login stays ${found.entity_id}`);
  const metadata = { ...found.provider_metadata, password: await hash(password) };
  await db.transaction(async () => {
    await db.query('UPDATE provider_identity SET entity_id = $2, provider_metadata = $3, updated_at = now() WHERE id = $1', [found.id, taken.length > 0 ? found.entity_id : name, metadata]);
    await db.remember({ admin_id: found.user_id, ...appliedLogin() });
  });
  say('the login of the Secret is set');
}

/** The first administrator's identity: by the stored id; without one (another origin of the database) by its login, or the oldest. */
async function administrator(db, name) {
  const users = await db.query(
    `SELECT p.id, p.entity_id, p.provider_metadata, u.id AS user_id FROM provider_identity p JOIN auth_identity a ON a.id = p.auth_identity_id
       JOIN "user" u ON u.id = a.app_metadata->>'user_id'
     WHERE p.provider = $1 AND p.deleted_at IS NULL AND a.deleted_at IS NULL AND u.deleted_at IS NULL ORDER BY u.created_at`,
    [PROVIDER],
  );
  const id = await db.recall('admin_id');
  if (id !== null) return users.find((user) => user.user_id === id) ?? null;
  return users.find((user) => user.entity_id === name) ?? users[0] ?? null;
}

/** What storeplane_state keeps of the login that was applied last: no password, only a keyed hash of the random one to compare with. */
function appliedLogin() {
  const salt = randomBytes(16).toString('hex');
  return { login: setting('STORE_ADMIN_USER'), password: `${salt}:${digest(salt, setting('STORE_ADMIN_PASSWORD'))}` };
}

function isApplied(password, applied) {
  if (applied === null) return false;
  const [salt, known] = applied.split(':');
  return timingSafeEqual(Buffer.from(known), Buffer.from(digest(salt, password)));
}

function digest(salt, password) {
  return createHmac('sha256', salt).update(password).digest('hex');
}

module.exports = { applyLogin, appliedLogin, createAdministrator };
