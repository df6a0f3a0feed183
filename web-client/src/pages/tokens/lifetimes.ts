import { type Duration, durationFromMs } from '@bufbuild/protobuf/wkt';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** For how long a new secret is valid, in days. The server may allow less. */
export const LIFETIMES = [7, 30, 90, 180, 365].map((days) => ({ value: String(days), label: `${days} days` }));
export const DEFAULT_LIFETIME = '90';

export function lifetime(days: string): Duration {
  return durationFromMs(Number(days) * DAY_MS);
}

/** How long the current secret works after a rotation, in hours. */
export const OVERLAPS = [
  { value: '0', label: 'Ends at once (it has leaked)' },
  { value: '1', label: 'Works for 1 hour' },
  { value: '24', label: 'Works for 24 hours' },
  { value: '168', label: 'Works for 7 days' },
];
export const DEFAULT_OVERLAP = '24';

export function overlap(hours: string): Duration {
  return durationFromMs(Number(hours) * HOUR_MS);
}
