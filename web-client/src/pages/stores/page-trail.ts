const KEY = 'storeplane.stores.pages';

interface Trail {
  /** Filter, order and page size: page tokens are valid for these only. */
  list: string;
  tokens: string[];
}

/** The page tokens that led to a page. The server returns only the next one; the tab's storage keeps the others across a reload. */
export class PageTrail {
  readonly #storage: Storage;
  readonly #list: string;
  readonly #tokens: string[];

  constructor(storage: Storage, list: string) {
    this.#storage = storage;
    this.#list = list;
    this.#tokens = read(storage, list);
  }

  /** The page's number from 0, or undefined for a token that did not come from here. */
  index(token: string): number | undefined {
    if (token === '') return 0;
    const at = this.#tokens.indexOf(token);
    return at === -1 ? undefined : at + 1;
  }

  /** The token of the page before; empty for the first page. */
  previous(token: string): string {
    return this.#tokens[(this.index(token) ?? 0) - 2] ?? '';
  }

  /** Records that `next` follows `token`. */
  advance(token: string, next: string): void {
    const tokens = [...this.#tokens.slice(0, this.index(token) ?? 0), next];
    this.#storage.setItem(KEY, JSON.stringify({ list: this.#list, tokens } satisfies Trail));
  }
}

function read(storage: Storage, list: string): string[] {
  try {
    const trail: Trail = JSON.parse(storage.getItem(KEY) ?? '');
    return trail.list === list ? trail.tokens : [];
  } catch {
    return [];
  }
}
