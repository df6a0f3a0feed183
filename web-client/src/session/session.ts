import { useSyncExternalStore } from 'react';

/** `expired`: there was a token, and the server does not take it any more. What the page holds stays. */
export type SessionStatus = 'out' | 'in' | 'expired';

const KEY = 'storeplane.token';

/** The token of this tab: in memory and in sessionStorage, never anywhere else. */
export class Session {
  #token: string | null;
  #status: SessionStatus;
  readonly #listeners = new Set<() => void>();
  readonly #storage: Storage;

  constructor(storage: Storage) {
    this.#storage = storage;
    this.#token = storage.getItem(KEY);
    this.#status = this.#token ? 'in' : 'out';
  }

  token = (): string | null => this.#token;
  status = (): SessionStatus => this.#status;

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  signIn(token: string): void {
    this.#storage.setItem(KEY, token);
    this.#become(token, 'in');
  }

  signOut(): void {
    this.#storage.removeItem(KEY);
    this.#become(null, 'out');
  }

  /** The server refused this token. An answer to an older one changes nothing. */
  expire(token: string | null): void {
    if (token !== this.#token || this.#status !== 'in') return;
    this.#storage.removeItem(KEY);
    this.#become(null, 'expired');
  }

  /** Takes the token out of `#token=…`, and out of the address bar and the history with it. */
  takeFromAddress(location: Location, history: History): boolean {
    const match = /^#token=([^&]+)$/.exec(location.hash);
    if (!match?.[1]) return false;
    history.replaceState(history.state, '', location.pathname + location.search);
    this.signIn(decodeURIComponent(match[1]));
    return true;
  }

  #become(token: string | null, status: SessionStatus): void {
    this.#token = token;
    this.#status = status;
    for (const listener of this.#listeners) listener();
  }
}

export const session = new Session(window.sessionStorage);

export function useSessionStatus(): SessionStatus {
  return useSyncExternalStore(session.subscribe, session.status);
}
