import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { env } from './env';

/** A database on the Postgres of the test environment. */
export class Database {
  readonly url: string;
  readonly #name: string;
  readonly #server: string;

  private constructor(name: string, server: string) {
    const url = new URL(server);
    url.pathname = `/${name}`;
    this.url = url.href;
    this.#name = name;
    this.#server = server;
  }

  static async create(): Promise<Database> {
    const database = new Database(
      `storeplane_web_${randomUUID().replaceAll('-', '')}`,
      env('STOREPLANE_TEST_DATABASE_URL'),
    );
    await run(database.#server, `CREATE DATABASE ${database.#name}`);
    return database;
  }

  async drop(): Promise<void> {
    await run(this.#server, `DROP DATABASE IF EXISTS ${this.#name} WITH (FORCE)`);
  }

  execute(sql: string): Promise<void> {
    return run(this.url, sql);
  }
}

async function run(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
