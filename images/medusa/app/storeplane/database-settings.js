'use strict';
// The connection to the shop's database, from the variables STORE_DB_*.
const { readFileSync } = require('node:fs');

/** pg's `ssl` for STORE_DB_TLS: `none`, `require` (encrypted) or `verify` (encrypted, and the certificate is valid for the host). */
function tls({ STORE_DB_TLS: mode = 'none', STORE_DB_CA: authority } = process.env) {
  switch (mode) {
    case 'none':
      return false;
    case 'require':
      return { rejectUnauthorized: false };
    case 'verify':
      return { rejectUnauthorized: true, ...(authority && { ca: readFileSync(authority, 'utf8') }) };
    default:
      throw new Error(`STORE_DB_TLS is ${mode}: it must be none, require or verify`);
  }
}

/** The settings of one connection, for pg. */
function connection(environment = process.env) {
  const { STORE_DB_HOST, STORE_DB_PORT = '5432', STORE_DB_NAME, STORE_DB_USER, STORE_DB_PASSWORD } = environment;
  return { host: STORE_DB_HOST, port: Number(STORE_DB_PORT), database: STORE_DB_NAME, user: STORE_DB_USER, password: STORE_DB_PASSWORD, ssl: tls(environment) };
}

/** The same as a URL, for Medusa. */
function databaseUrl(environment = process.env) {
  const { host, port, database, user, password } = connection(environment);
  const address = host?.includes(':') ? `[${host}]` : host;
  return `postgres://${encodeURIComponent(user)}:${encodeURIComponent(password)}@${address}:${port}/${encodeURIComponent(database)}`;
}

/** What the URL cannot say. */
function databaseDriverOptions(environment = process.env) {
  const ssl = tls(environment);
  return {
    ...(ssl && { connection: { ssl } }),
    pool: { min: 1, max: Number(environment.STORE_DB_POOL ?? 10) },
  };
}

module.exports = { connection, databaseUrl, databaseDriverOptions };
