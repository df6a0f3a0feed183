'use strict';
// Turns the seed into this store's shop.
const { randomBytes } = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const { BootstrapError, setting } = require('./report');
const { createAdministrator } = require('./login');
const { wantedSettings } = require('./settings');
const { replaceUrl } = require('./url');

/** The URL in the seed. */
const SEED_URL = 'http://store.invalid';

/** Name, administrator, publishable key, country and currency: once, within the transaction that imports the seed. */
async function personalise(db, image) {
  const settings = wantedSettings();
  await replaceUrl(db, SEED_URL, setting('STORE_URL'));
  await db.query('UPDATE store SET name = $1, created_at = now(), updated_at = now()', [settings.name]);
  await db.query('UPDATE product SET created_at = now(), updated_at = now()');
  const key = `pk_${randomBytes(32).toString('hex')}`;
  const redacted = `${key.slice(0, 6)}***${key.slice(-3)}`;
  await db.query("UPDATE api_key SET token = $1, redacted = $2, created_at = now(), updated_at = now() WHERE type = 'publishable'", [key, redacted]);
  await setCurrency(db, (setting('STORE_CURRENCY') || 'usd').toLowerCase());
  await setCountries(db, (setting('STORE_COUNTRIES') || 'us').toLowerCase().split(/[ ,]+/).filter(Boolean));
  await createAdministrator(db, settings.email);
  await db.remember({ image, url: setting('STORE_URL'), uid: setting('STORE_UID'), ...settings });
}

async function setCurrency(db, currency) {
  if ((await db.query('SELECT 1 FROM currency WHERE code = $1', [currency])).length === 0) throw new BootstrapError(`shop.currency: Medusa knows no currency ${currency}`);
  for (const table of ['region', 'store_currency', 'price']) await db.query(`UPDATE ${table} SET currency_code = $1`, [currency]);
  await db.query("UPDATE price_preference SET value = $1 WHERE attribute = 'currency_code'", [currency]);
}

async function setCountries(db, countries) {
  const known = await db.query('SELECT iso_2, display_name FROM region_country WHERE iso_2 = ANY($1)', [countries]);
  const unknown = countries.filter((country) => !known.some((row) => row.iso_2 === country));
  if (unknown.length > 0) throw new BootstrapError(`shop.countries: Medusa knows no country ${unknown.join(', ')}`);
  await db.query('UPDATE region_country SET region_id = CASE WHEN iso_2 = ANY($1) THEN (SELECT id FROM region) END', [countries]);
  const [first, ...others] = countries;
  if (others.length === 0) await db.query('UPDATE region SET name = $1', [known[0].display_name]);
  await db.query('UPDATE stock_location_address SET country_code = $1', [first]);
  for (const table of ['tax_region', 'geo_zone']) {
    await db.query(`UPDATE ${table} SET country_code = $1`, [first]);
    for (const country of others) {
      await db.query(`INSERT INTO ${table} SELECT (jsonb_populate_record(t, jsonb_build_object('id', t.id || '_' || $1, 'country_code', $1))).* FROM ${table} t WHERE t.country_code = $2`, [country, first]);
    }
  }
}

/** Copies the seed's pictures. A file gets its name when it is complete. */
function copyPictures(from, to) {
  for (const name of fs.readdirSync(from)) {
    const target = path.join(to, name);
    if (fs.existsSync(target)) continue;
    fs.copyFileSync(path.join(from, name), `${target}.part`);
    fs.renameSync(`${target}.part`, target);
  }
}

module.exports = { copyPictures, personalise };
