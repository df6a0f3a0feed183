// Access to the control plane and the cluster through grpcurl, helm and kubectl.

import { execFile, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

const execute = promisify(execFile);
const { GRPCURL, KUBECTL, HELM, STOREPLANE_ADDR } = process.env;
// grpcurl reads the token from its environment, so that it is never on a command line.
const common = ['-plaintext', '-expand-headers', '-H', 'authorization: Bearer ${STOREPLANE_TOKEN}'];
const path = (method) => `storeplane.v1.${method.includes('/') ? method : `StoreService/${method}`}`;

/** One unary call: of StoreService, or of the service that `method` names (`BackupService/CreateBackup`). */
export async function call(method, request) {
  const { stdout } = await execute(GRPCURL, [...common, '-max-time', '20', '-d', JSON.stringify(request), STOREPLANE_ADDR, path(method)]);
  return JSON.parse(stdout);
}

/** Watches a store until it is settled or deleted, for at most `seconds`, and returns its events. */
export async function watch(store_id, uid, until, seconds, onEvent = () => {}) {
  const request = JSON.stringify({ store_id, uid, until: `WATCH_UNTIL_${until}` });
  const child = spawn(GRPCURL, [...common, '-max-time', String(seconds), '-d', request, STOREPLANE_ADDR, path('WatchStore')]);
  const events = [];
  let message = '';
  let trouble = '';
  child.stderr.on('data', (data) => (trouble += data));
  const ended = new Promise((resolve) => child.on('close', resolve));
  for await (const line of createInterface({ input: child.stdout })) {
    message += line;
    if (line !== '}') continue;
    const { event } = JSON.parse(message);
    message = '';
    if (!event) continue;
    events.push(event);
    onEvent(event);
  }
  if ((await ended) !== 0) throw new Error(`WatchStore of ${store_id}: ${trouble.trim()}`);
  return events;
}

/** kubectl's standard output. */
export const kubectl = async (...args) => (await execute(KUBECTL, args, { maxBuffer: 16 << 20 })).stdout;

/** kubectl's standard output, with this on its standard input. */
export function kubectlInput(input, ...args) {
  const done = execute(KUBECTL, args, { maxBuffer: 16 << 20 });
  done.child.stdin.end(input);
  return done;
}

/** helm's standard output. */
export const helm = async (...args) => (await execute(HELM, args)).stdout;

/** Retries until `attempt` succeeds; throws the last error after `seconds`. */
export async function eventually(seconds, attempt) {
  for (const end = Date.now() + seconds * 1000; ; ) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}
