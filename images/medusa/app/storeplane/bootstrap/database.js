'use strict';
// The shop's database, for the bootstrap.
const { setTimeout: pause } = require('node:timers/promises');
const { Client } = require('pg');
const { connection } = require('../database-settings');
const { BootstrapError, say } = require('./report');

/** Seconds for which the server may be unreachable: it may be starting. */
const UNREACHABLE = 300;
/** Seconds for which it may refuse the login: a database with the old Secret may be about to restart. */
const REFUSED = 30;
/** The server's codes for a refused login: the password, no rule for it, no such database. */
const LOGIN_ERRORS = new Set(['28P01', '28000', '3D000']);
/** Milliseconds between attempts to connect. */
const RETRY = 50;
/** Key of the advisory lock. */
const LOCK = 7_305_002;

class Database {
  #client;

  constructor(client) {
    this.#client = client;
  }

  /** Tries every 50 ms, with a limit: the container then fails, and its last message becomes the reason in the pod's status. */
  static async connect() {
    const settings = connection();
    const began = Date.now();
    let refused = null;
    let last = '';
    for (;;) {
      const client = new Client({ ...settings, connectionTimeoutMillis: 2_000 });
      client.on('error', (error) => say(`the connection to the database was lost: ${error.message}`));
      try {
        await client.connect();
        return new Database(client);
      } catch (error) {
        void client.end().catch(() => {});
        const problem = Database.#problem(error, settings);
        const now = Date.now();
        refused = Database.#isRefused(error) ? refused ?? now : null;
        if (now > began + UNREACHABLE * 1000 || (refused !== null && now > refused + REFUSED * 1000)) throw new BootstrapError(problem);
        if (problem !== last) say(`waiting for the database: ${problem}`);
        last = problem;
      }
      await pause(RETRY);
    }
  }

  static #isTls(error) {
    return /certificate|SSL|TLS/i.test(`${error.code} ${error.message}`);
  }

  static #isRefused(error) {
    return LOGIN_ERRORS.has(error.code) || Database.#isTls(error);
  }

  static #problem(error, { host, port }) {
    const text = (error.message || String(error.code ?? error)).replace(/\.$/, '');
    if (LOGIN_ERRORS.has(error.code)) {
      return `${text}. The database does not accept the login in the store's database Secret. Was the Secret changed after the database started? Upgrading the release (RetryStore) restarts both.`;
    }
    return Database.#isTls(error) ? `no TLS connection to ${host}:${port}: ${text}. Check database.external.tls.` : text;
  }

  /** Rows of one statement. */
  async query(text, values = []) {
    return (await this.#client.query(text, values)).rows;
  }

  /** Runs a statement that changes rows; returns their number. */
  async change(text, values = []) {
    return (await this.#client.query(text, values)).rowCount ?? 0;
  }

  /** Runs several statements, such as those of a dump. */
  async script(text) {
    await this.#client.query(text);
    await this.#client.query("SELECT set_config('search_path', 'public', false)"); // a dump empties it
  }

  async end() {
    await this.#client.end();
  }

  async transaction(work) {
    await this.#client.query('BEGIN');
    try {
      await work();
      await this.#client.query('COMMIT');
    } catch (error) {
      await this.#client.query('ROLLBACK').catch(() => {});
      throw error;
    }
  }

  /** Another pod of this shop may run its bootstrap now. The lock ends with the connection. */
  async lock(seconds) {
    await this.#client.query(`SET lock_timeout = '${seconds}s'`);
    try {
      await this.#client.query('SELECT pg_advisory_lock($1)', [LOCK]);
    } catch (error) {
      if (error.code !== '55P03') throw error;
      throw new BootstrapError(`no lock within ${seconds} s: another bootstrap holds it`);
    }
    await this.#client.query('RESET lock_timeout');
  }

  /** empty or ready; `foreign`: a shop without the table storeplane_state; `unknown`: other tables. */
  async phase() {
    const rows = await this.query("SELECT tablename FROM pg_tables WHERE schemaname = 'public'");
    const tables = new Set(rows.map((row) => row.tablename));
    if (tables.has('storeplane_state')) return 'ready';
    if (tables.size === 0) return 'empty';
    return tables.has('mikro_orm_migrations') && tables.has('store') ? 'foreign' : 'unknown';
  }

  async createState() {
    await this.query('CREATE TABLE IF NOT EXISTS storeplane_state (name text PRIMARY KEY, value text NOT NULL)');
  }

  async recall(name) {
    return (await this.query('SELECT value FROM storeplane_state WHERE name = $1', [name]))[0]?.value ?? null;
  }

  async remember(values) {
    for (const [name, value] of Object.entries(values)) {
      await this.query('INSERT INTO storeplane_state VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value', [name, value]);
    }
  }

  async forget(...names) {
    await this.query('DELETE FROM storeplane_state WHERE name = ANY($1)', [names]);
  }
}

module.exports = { Database };
