import { bytes } from './bytes';
import { words } from './words';

const TITLES: Record<string, string> = {
  backups: 'Backups on demand',
  cpu: 'CPU',
  creations: 'Your recent creations',
  deletions: 'Your recent deletions',
};

/** The name of a quota as a title. */
export function quotaTitle(name: string): string {
  return TITLES[name] ?? words(name);
}

/** An amount of a quota in its unit: the API has CPU in millicores, memory and storage in bytes. */
export function quotaAmount(name: string, amount: bigint): string {
  if (name === 'cpu') return (Number(amount) / 1000).toLocaleString(undefined, { maximumFractionDigits: 1 });
  if (name !== 'memory' && name !== 'storage') return amount.toLocaleString();
  return bytes(amount);
}
