'use strict';
// Watches the database through a connection of its own. Medusa's pool retries for a minute, so a short restart only delays requests; this says when an
// outage has lasted too long for that, so that customers are not kept waiting.
const { Client } = require('pg');
const { connection } = require('./database-settings');

/** Milliseconds from the beginning of an outage for which requests wait. */
const PATIENCE = 10_000;
/** Milliseconds between attempts to connect. */
const RETRY = 200;
/** Milliseconds between questions that show that the connection still works. */
const QUESTION = 5_000;

class DatabaseMonitor {
  #client = null;
  #downSince = null;
  #stopped = false;
  #timer = null;

  start() {
    void this.#connect();
  }

  stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
    void this.#client?.end().catch(() => {});
  }

  /** The database has been away for longer than requests wait. */
  get isDown() {
    return this.#downSince !== null && Date.now() - this.#downSince > PATIENCE;
  }

  /** Rows of a statement; an error if the database is away. */
  async query(text, values) {
    if (this.#client === null) throw new Error('the database is not reachable');
    return (await this.#client.query(text, values)).rows;
  }

  async #connect() {
    const client = new Client({ ...connection(), connectionTimeoutMillis: 2_000, query_timeout: 5_000, keepAlive: true });
    client.on('error', () => this.#lost(client));
    try {
      await client.connect();
    } catch {
      this.#lost(client);
      return;
    }
    if (this.#stopped) return void client.end();
    this.#client = client;
    this.#downSince = null;
    this.#ask(client);
  }

  #ask(client) {
    this.#timer = setTimeout(async () => {
      try {
        await client.query('SELECT 1');
        this.#ask(client);
      } catch {
        this.#lost(client);
      }
    }, QUESTION);
    this.#timer.unref();
  }

  #lost(client) {
    if (this.#stopped || (this.#client !== null && this.#client !== client)) return;
    this.#client = null;
    this.#downSince ??= Date.now();
    client.removeAllListeners('error').on('error', () => {});
    void client.end().catch(() => {});
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#connect(), RETRY);
    this.#timer.unref();
  }
}

module.exports = { DatabaseMonitor };
