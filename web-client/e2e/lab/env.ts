import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/** A variable that `dev/test-env up` sets. */
export function env(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run dev/web e2e`);
  return value;
}

export function serverBinary(): string {
  return join(process.env.CARGO_TARGET_DIR ?? join(ROOT, 'target'), 'debug', 'storeplane-server');
}

const CHROMIUMS = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

export function chromiumBinary(): string {
  const found = CHROMIUMS.find((path) => path && existsSync(path));
  if (!found) throw new Error('there is no Chromium here; set CHROMIUM to one');
  return found;
}
