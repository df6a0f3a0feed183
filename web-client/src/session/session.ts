import { useSyncExternalStore } from 'react';

/**
 * `checking`: nobody has asked the server yet whether the browser's cookie is a session. `expired`: the session has ended
 * on the server. The page keeps what it holds until somebody signs in again.
 */
export type SessionStatus = 'checking' | 'out' | 'in' | 'expired';

/** Messages between tabs of one browser, which share the cookie. */
export type TabMessage = { type: 'signed-in' } | { type: 'signed-out' };

/** The part of a BroadcastChannel that the session needs. */
export interface TabChannel {
  postMessage(message: TabMessage): void;
  addEventListener(type: 'message', listener: (event: { data: TabMessage }) => void): void;
}

/** What the address says about signing in; it is removed from there at once. */
export interface SignInLink {
  /** A one-time code. It signs nobody in until that is confirmed. */
  code?: string;
  /** Why signing in with the identity provider failed. */
  error?: string;
}

/**
 * Whether this browser is signed in. Its session is a cookie that scripts cannot read: only responses of the server show
 * whether it is valid.
 */
export class Session {
  #status: SessionStatus = 'checking';
  #generation = 0;
  #link: SignInLink = {};
  readonly #listeners = new Set<() => void>();
  readonly #channel: TabChannel;

  constructor(channel: TabChannel) {
    this.#channel = channel;
    channel.addEventListener('message', ({ data }) => this.#receive(data));
  }

  status = (): SessionStatus => this.#status;
  /** Changes with each sign-in: a late response to an earlier session's request says nothing about this one. */
  generation = (): number => this.#generation;
  link = (): SignInLink => this.#link;

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** The server did not reject the cookie. */
  confirm(): void {
    if (this.#status === 'checking') this.#become('in');
  }

  /** The server has created a session. */
  signedIn(): void {
    this.#begin();
    this.#channel.postMessage({ type: 'signed-in' });
  }

  /** The server has ended the session, of all tabs. */
  signedOut(): void {
    this.#become('out');
    this.#channel.postMessage({ type: 'signed-out' });
  }

  /** The server rejected a request of this generation. */
  expire(generation: number): void {
    if (generation !== this.#generation) return;
    if (this.#status === 'checking') this.#become('out');
    if (this.#status === 'in') this.#become('expired');
  }

  /** Moves `#code=…` or `#sign-in-error=…` into memory, so that neither the address bar nor the history keeps it. */
  takeLink(location: Location, history: History): boolean {
    const match = /^#(code|sign-in-error)=([^&]+)$/.exec(location.hash);
    if (!match?.[2]) return false;
    history.replaceState(history.state, '', location.pathname + location.search);
    this.#link = match[1] === 'code' ? { code: match[2] } : { error: match[2] };
    this.#notify();
    return true;
  }

  dismissLink(): void {
    this.#link = {};
    this.#notify();
  }

  #receive(message: TabMessage): void {
    if (message.type === 'signed-in') this.#begin();
    else if (this.#status !== 'out') this.#become('out');
  }

  #begin(): void {
    this.#generation += 1;
    this.#link = {};
    this.#become('in');
  }

  #become(status: SessionStatus): void {
    this.#status = status;
    this.#notify();
  }

  #notify(): void {
    for (const listener of this.#listeners) listener();
  }
}

export const session = new Session(new BroadcastChannel('storeplane.session'));

export function useSessionStatus(): SessionStatus {
  return useSyncExternalStore(session.subscribe, session.status);
}

export function useSignInLink(): SignInLink {
  return useSyncExternalStore(session.subscribe, session.link);
}
