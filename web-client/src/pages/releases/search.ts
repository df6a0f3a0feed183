import { ReleaseOwnership } from '@/gen/storeplane/v1/platform_pb';
import { quote } from '../stores/search';

export const OWNERSHIPS = [ReleaseOwnership.STORE, ReleaseOwnership.ORPHAN, ReleaseOwnership.FOREIGN].map(
  (ownership) => ReleaseOwnership[ownership] as string,
);
/** Helm's statuses that a release keeps or gets stuck in. */
export const STATUSES = [
  'deployed',
  'failed',
  'pending-install',
  'pending-upgrade',
  'pending-rollback',
  'uninstalling',
] as const;

/** The URL's part of the releases. */
export interface ReleasesSearch {
  q?: string;
  ownership?: string;
  status?: string;
}

export function releasesSearch(search: Record<string, unknown>): ReleasesSearch {
  return {
    q: search.q === undefined || search.q === '' ? undefined : String(search.q),
    ownership: OWNERSHIPS.find((each) => each === search.ownership),
    status: STATUSES.find((each) => each === search.status),
  };
}

/** The filter of ListReleases (AIP-160). */
export function releasesFilter({ q, ownership, status }: ReleasesSearch): string {
  const parts: string[] = [];
  if (q?.trim()) parts.push(quote(q.trim()));
  if (ownership) parts.push(`ownership = ${ownership}`);
  if (status) parts.push(`status = ${status}`);
  return parts.join(' AND ');
}
