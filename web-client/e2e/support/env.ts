import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/** A variable set by `dev/web e2e`. */
export function env(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run dev/web e2e`);
  return value;
}

export function serverBinary(): string {
  return join(process.env.CARGO_TARGET_DIR ?? join(ROOT, 'target'), 'debug', 'storeplane-server');
}

export function chromiumBinary(): string {
  return env('CHROMIUM');
}
