import { randomBytes } from 'node:crypto';
import { type Client, createClient, type Transport } from '@connectrpc/connect';
import { createGrpcWebTransport } from '@connectrpc/connect-web';
import { type Backup, BackupService, BackupState } from '@/gen/storeplane/v1/backup_service_pb';
import { type Store, StoreState } from '@/gen/storeplane/v1/store_pb';
import { StoreService } from '@/gen/storeplane/v1/store_service_pb';
import { Database } from './database';
import { Server } from './server';
import { Window } from './window';

export type Role = 'viewer' | 'auditor' | 'operator' | 'admin' | 'platform_admin';

/** A server with its own database and tenant. */
export class TestEnv {
  readonly database: Database;
  readonly server: Server;
  /** Unique, since the cluster is shared and namespace names contain the tenant. */
  readonly tenant = `e2e-${randomBytes(4).toString('hex')}`;
  readonly stores: Client<typeof StoreService>;
  readonly backups: Client<typeof BackupService>;
  readonly admin: string;

  private constructor(database: Database, server: Server) {
    this.database = database;
    this.server = server;
    this.admin = this.token('admin');
    this.stores = this.client(this.admin);
    this.backups = createClient(BackupService, this.#transport(this.admin));
  }

  static async start(): Promise<TestEnv> {
    const database = await Database.create();
    return new TestEnv(database, await Server.create(database.url));
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

  /** A one-time code of a token. */
  code(name: string): string {
    return this.server.command('token', 'code', this.#id(name));
  }

  revoke(name: string): void {
    this.server.command('token', 'revoke', this.#id(name));
  }

  #id(name: string): string {
    const line = this.server
      .command('token', 'list')
      .split('\n')
      .find((each) => each.includes(name));
    const id = /[0-9a-f-]{36}/.exec(line ?? '')?.[0];
    if (!id) throw new Error(`no token is named ${name}`);
    return id;
  }

  client(token: string): Client<typeof StoreService> {
    return createClient(StoreService, this.#transport(token));
  }

  #transport(token: string): Transport {
    return createGrpcWebTransport({
      baseUrl: this.server.url,
      interceptors: [
        (next) => (request) => {
          request.header.set('authorization', `Bearer ${token}`);
          return next(request);
        },
      ],
    });
  }

  /** A window that is signed in. */
  open(path = '/', options: { token?: string; width?: number } = {}): Promise<Window> {
    return Window.open(`${this.server.url}${path}`, { token: this.admin, ...options });
  }

  create(storeId: string, plan = ''): Promise<Store> {
    const store = { displayName: `Shop ${storeId}`, adminEmail: 'owner@example.com', plan };
    return this.stores.createStore({ storeId, store });
  }

  /** Waits until a store is in a state. */
  async waitForState(storeId: string, state: StoreState, withinMs = 90_000): Promise<Store> {
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

  /** Creates a backup and waits until it is complete. */
  async backUp(storeId: string, description: string, withinMs = 60_000): Promise<Backup> {
    const { backupId } = await this.backups.createBackup({ storeId, description });
    const deadline = Date.now() + withinMs;
    for (;;) {
      const backup = await this.backups.getBackup({ backupId });
      if (backup.state === BackupState.COMPLETE) return backup;
      if (backup.state === BackupState.FAILED || Date.now() > deadline) {
        throw new Error(
          `the backup of ${storeId} is ${BackupState[backup.state]} ${backup.message}\n${this.server.log()}`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  /** Deletes stores: the cluster outlives the test. */
  async remove(...ids: string[]): Promise<void> {
    for (const storeId of ids) await this.stores.deleteStore({ storeId });
    for (const storeId of ids) await this.waitForState(storeId, StoreState.DELETED);
  }
}

/** A store ID that no other test uses. */
export function uniqueId(name: string): string {
  return `${name}-${randomBytes(4).toString('hex')}`;
}
