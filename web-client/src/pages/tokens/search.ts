/** The URL's part of the tokens and sessions. */
export interface TokensSearch {
  /** Also tokens that have expired or were revoked. */
  inactive?: true;
  view?: 'sessions';
}

export function tokensSearch(search: Record<string, unknown>): TokensSearch {
  return {
    inactive: search.inactive === true ? true : undefined,
    view: search.view === 'sessions' ? 'sessions' : undefined,
  };
}
