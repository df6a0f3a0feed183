import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { env, ROOT, serverBinary } from './env';

const START_MS = 30_000;

/** Additional plans of the tests, as Helm values. */
const PLANS = {
  // No node can schedule its pods.
  unschedulable: 'scheduling: {nodeSelector: {no-such: node}}\n',
};

/** The real server, in a process of its own. */
export class Server {
  readonly url: string;
  readonly #dir = mkdtempSync(join(tmpdir(), 'storeplane-web-'));
  readonly #env: Record<string, string>;
  #child: ChildProcess | undefined;

  private constructor(port: number, backupPort: number, databaseUrl: string) {
    const charts = join(this.#dir, 'charts');
    cpSync(join(ROOT, 'charts'), charts, { recursive: true });
    for (const [name, values] of Object.entries(PLANS)) {
      writeFileSync(join(charts, 'woocommerce', 'plans', `${name}.yaml`), values);
    }
    const backups = join(this.#dir, 'backups');
    mkdirSync(backups);
    const config = join(this.#dir, 'server.toml');
    writeFileSync(config, backupStorage(backups, `127.0.0.1:${backupPort}`));
    this.url = `http://127.0.0.1:${port}`;
    this.#env = {
      DATABASE_URL: databaseUrl,
      ...account(),
      STOREPLANE_HELM_BIN: env('STOREPLANE_TEST_HELM3'),
      STOREPLANE_CHARTS_DIR: charts,
      STOREPLANE_DEFAULT_ENGINE: 'woocommerce',
      STOREPLANE_CHART_VALUES: 'values-local.yaml',
      STOREPLANE_CONFIG: config,
      STOREPLANE_LISTEN: `127.0.0.1:${port}`,
      STOREPLANE_DOMAIN: 'shops.test',
      // These tests create many stores in a short time.
      STOREPLANE_QUOTA_STORES: 'unlimited',
      STOREPLANE_QUOTA_CREATIONS: 'unlimited',
      STOREPLANE_QUOTA_DELETIONS: 'unlimited',
      STOREPLANE_LIMIT_REQUESTS_PER_SECOND: 'unlimited',
      STOREPLANE_LIMIT_FAILED_AUTHENTICATIONS_PER_MINUTE: 'unlimited',
      // The operations of a killed server are claimed again soon.
      STOREPLANE_LEASE_SECONDS: '3',
      HOME: this.#dir,
      TMPDIR: this.#dir,
      PATH: process.env.PATH ?? '',
    };
  }

  static async create(databaseUrl: string): Promise<Server> {
    const [port, backupPort] = await Promise.all([freePort(), freePort()]);
    const server = new Server(port, backupPort, databaseUrl);
    // The server ends with the tests, however they end.
    process.once('exit', () => server.#child?.kill('SIGKILL'));
    server.command('migrate');
    await server.start();
    return server;
  }

  /** Runs another command of the server, and returns its output. */
  command(...args: string[]): string {
    return execFileSync(serverBinary(), args, { env: this.#env, encoding: 'utf8' }).trim();
  }

  async start(): Promise<void> {
    const log = openSync(this.#log, 'a');
    this.#child = spawn(serverBinary(), ['serve'], { env: this.#env, stdio: ['ignore', log, log] });
    const deadline = Date.now() + START_MS;
    for (;;) {
      const ready = await fetch(`${this.url}/readyz`).catch(() => undefined);
      if (ready?.ok) return;
      if (this.#child.exitCode !== null || Date.now() > deadline)
        throw new Error(`the server did not start:\n${this.log()}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** Ends it with SIGKILL. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child || child.exitCode !== null) return;
    await new Promise((resolve) => {
      child.once('exit', resolve);
      child.kill('SIGKILL');
    });
  }

  log(): string {
    return readFileSync(this.#log, 'utf8').split('\n').slice(-60).join('\n');
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (child && child.exitCode === null) {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await ended;
    }
    rmSync(this.#dir, { recursive: true, force: true });
  }

  get #log(): string {
    return join(this.#dir, 'server.log');
  }
}

/** The configuration of a folder that keeps backups. */
function backupStorage(path: string, address: string): string {
  return `[backups]
storage = "volume"
[backups.volume]
path = "${path}"
listen = "${address}"
url = "http://${address}"
`;
}

/** Settings of a server that has exactly the permissions of the chart. */
function account(): Record<string, string> {
  const args = ['--kubeconfig', env('STOREPLANE_TEST_KUBECONFIG'), '--instance', 'storeplane'];
  const file = execFileSync(join(ROOT, 'dev/account'), args, { encoding: 'utf8' }).trim();
  const lines = readFileSync(file, 'utf8').trim().split('\n');
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() =>
        address && typeof address === 'object' ? resolve(address.port) : reject(new Error('no port')),
      );
    });
  });
}
