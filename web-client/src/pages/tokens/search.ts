/** The URL's part of the tokens. */
export interface TokensSearch {
  /** Also tokens that have expired or were revoked. */
  inactive?: true;
}

export function tokensSearch(search: Record<string, unknown>): TokensSearch {
  return search.inactive === true ? { inactive: true } : {};
}
