import { randomBytes } from 'node:crypto';
import { type Client, createClient } from '@connectrpc/connect';
import { createGrpcWebTransport } from '@connectrpc/connect-web';
import { type Store, StoreState } from '@/gen/storeplane/v1/store_pb';
import { StoreService } from '@/gen/storeplane/v1/store_service_pb';
import { Database } from './database';
import { Server } from './server';
import { Window } from './window';

export type Role = 'viewer' | 'operator' | 'admin';

/** What a test runs in: a server, its database, a browser. */
export class Lab {
  readonly database: Database;
  readonly server: Server;
  /** One of its own: the cluster is shared, and namespaces have the tenant in their names. */
  readonly tenant = `e2e-${randomBytes(4).toString('hex')}`;
  readonly stores: Client<typeof StoreService>;
  readonly admin: string;

  private constructor(database: Database, server: Server) {
    this.database = database;
    this.server = server;
    this.admin = this.token('admin');
    this.stores = this.client(this.admin);
  }

  static async start(): Promise<Lab> {
    const database = await Database.create();
    return new Lab(database, await Server.create(database.url));
  }

  async stop(): Promise<void> {
    try {
      await Window.closeAll();
    } finally {
      await this.server.stop();
      await this.database.drop();
    }
  }

  token(role: Role, name = `e2e ${role}`): string {
    return this.server.command('token', 'create', '--tenant', this.tenant, '--role', role, '--name', name);
  }

  revoke(name: string): void {
    const line = this.server
      .command('token', 'list')
      .split('\n')
      .find((each) => each.includes(name));
    const id = /[0-9a-f-]{36}/.exec(line ?? '')?.[0];
    if (!id) throw new Error(`there is no token ${name}`);
    this.server.command('token', 'revoke', id);
  }

  client(token: string): Client<typeof StoreService> {
    const transport = createGrpcWebTransport({
      baseUrl: this.server.url,
      interceptors: [
        (next) => (request) => {
          request.header.set('authorization', `Bearer ${token}`);
          return next(request);
        },
      ],
    });
    return createClient(StoreService, transport);
  }

  /** A window where this token is signed in, on this page. */
  open(path = '/', token = this.admin): Promise<Window> {
    return Window.open(`${this.server.url}${path}#token=${token}`);
  }

  create(storeId: string, plan = ''): Promise<Store> {
    const store = { displayName: `Shop ${storeId}`, adminEmail: 'owner@example.com', plan };
    return this.stores.createStore({ storeId, store });
  }

  /** Waits until a store has a state. */
  async until(storeId: string, state: StoreState, withinMs = 90_000): Promise<Store> {
    const deadline = Date.now() + withinMs;
    for (;;) {
      const store = await this.stores.getStore({ storeId });
      if (store.state === state) return store;
      if (Date.now() > deadline) {
        throw new Error(`${storeId} is ${StoreState[store.state]} ${store.message}\n${this.server.log()}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  /** Removes stores from the cluster: it outlives the test. */
  async remove(...ids: string[]): Promise<void> {
    for (const storeId of ids) await this.stores.deleteStore({ storeId });
    for (const storeId of ids) await this.until(storeId, StoreState.DELETED);
  }
}

/** A store id that no other test has. */
export function fresh(name: string): string {
  return `${name}-${randomBytes(4).toString('hex')}`;
}
