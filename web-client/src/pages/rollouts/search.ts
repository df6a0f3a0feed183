/** The URL's part of the rollouts: with a version, the dialog for a new rollout opens with it. */
export interface RolloutsSearch {
  /** The filter of the new rollout. */
  filter?: string;
  /** The version that it rolls out. */
  version?: string;
}

export function rolloutsSearch(search: Record<string, unknown>): RolloutsSearch {
  const text = (value: unknown) => (value === undefined || value === '' ? undefined : String(value));
  return { filter: text(search.filter), version: text(search.version) };
}
