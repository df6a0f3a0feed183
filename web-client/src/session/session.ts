import { useSyncExternalStore } from 'react';

/** `expired`: the server rejected the token. The page keeps what it holds until somebody signs in again. */
export type SessionStatus = 'out' | 'in' | 'expired';

/** Messages between tabs of one browser. */
export type TabMessage =
  | { type: 'request' }
  | { type: 'signed-in'; token: string }
  | { type: 'signed-out'; token: string };

/** The part of a BroadcastChannel that the session needs. */
export interface TabChannel {
  postMessage(message: TabMessage): void;
  addEventListener(type: 'message', listener: (event: { data: TabMessage }) => void): void;
}

const KEY = 'storeplane.token';

/**
 * The session of this browser. Each tab keeps the token in its sessionStorage; a new tab requests it from open ones over a
 * BroadcastChannel, which only pages of this origin can read. localStorage would keep the token on disk after the browser
 * is closed.
 */
export class Session {
  #token: string | null;
  #status: SessionStatus;
  #linkToken: string | null = null;
  readonly #listeners = new Set<() => void>();
  readonly #storage: Storage;
  readonly #channel: TabChannel;

  constructor(storage: Storage, channel: TabChannel) {
    this.#storage = storage;
    this.#channel = channel;
    this.#token = storage.getItem(KEY);
    this.#status = this.#token ? 'in' : 'out';
    channel.addEventListener('message', ({ data }) => this.#receive(data));
    if (!this.#token) channel.postMessage({ type: 'request' });
  }

  token = (): string | null => this.#token;
  status = (): SessionStatus => this.#status;
  /** The token of the link that opened this page. It signs nobody in until that is confirmed. */
  linkToken = (): string | null => this.#linkToken;

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  signIn(token: string): void {
    this.#linkToken = null;
    this.#become(token, 'in');
    this.#channel.postMessage({ type: 'signed-in', token });
  }

  /** Signs out in every tab that has this session. */
  signOut(): void {
    const token = this.#token;
    this.#become(null, 'out');
    if (token) this.#channel.postMessage({ type: 'signed-out', token });
  }

  /** The server rejected this token. A late answer to an earlier token changes nothing. */
  expire(token: string | null): void {
    if (token === this.#token && this.#status === 'in') this.#become(null, 'expired');
  }

  /** Moves a token from `#token=…` into memory, so that neither the address bar nor the history keeps it. */
  takeLinkToken(location: Location, history: History): boolean {
    const match = /^#token=([^&]+)$/.exec(location.hash);
    if (!match?.[1]) return false;
    history.replaceState(history.state, '', location.pathname + location.search);
    const token = decode(match[1]);
    if (token === this.#token) return false;
    this.#linkToken = token;
    this.#notify();
    return true;
  }

  dismissLinkToken(): void {
    this.#linkToken = null;
    this.#notify();
  }

  #receive(message: TabMessage): void {
    if (message.type === 'request' && this.#token) {
      this.#channel.postMessage({ type: 'signed-in', token: this.#token });
    }
    // A session of this tab is never replaced by another tab's.
    if (message.type === 'signed-in' && this.#status !== 'in') this.#become(message.token, 'in');
    if (message.type === 'signed-out' && message.token === this.#token) this.#become(null, 'out');
  }

  #become(token: string | null, status: SessionStatus): void {
    if (token) this.#storage.setItem(KEY, token);
    else this.#storage.removeItem(KEY);
    this.#token = token;
    this.#status = status;
    this.#notify();
  }

  #notify(): void {
    for (const listener of this.#listeners) listener();
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export const session = new Session(window.sessionStorage, new BroadcastChannel('storeplane.session'));

export function useSessionStatus(): SessionStatus {
  return useSyncExternalStore(session.subscribe, session.status);
}

export function useLinkToken(): string | null {
  return useSyncExternalStore(session.subscribe, session.linkToken);
}
