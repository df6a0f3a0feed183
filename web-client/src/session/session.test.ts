import { beforeEach, expect, test, vi } from 'vitest';
import { Session, type TabChannel, type TabMessage } from './session';

/** Channels of one browser: a message reaches every channel but its sender. */
class Browser {
  readonly #listeners = new Map<TabChannel, (event: { data: TabMessage }) => void>();

  channel(): TabChannel {
    const channel: TabChannel = {
      addEventListener: (_, listener) => void this.#listeners.set(channel, listener),
      postMessage: (data) => {
        for (const [other, listener] of this.#listeners) if (other !== channel) listener({ data });
      },
    };
    return channel;
  }
}

/** A tab's own storage. */
function storage(): Storage {
  const values = new Map<string, string>();
  return {
    getItem: (key: string) => values.get(key) ?? null,
    setItem: (key: string, value: string) => void values.set(key, value),
    removeItem: (key: string) => void values.delete(key),
    get length() {
      return values.size;
    },
  } as unknown as Storage;
}

let browser: Browser;
beforeEach(() => {
  browser = new Browser();
});
const open = (own = storage()) => new Session(own, browser.channel());

test('a token in a link is removed from the address and does not sign in by itself', () => {
  window.history.replaceState(null, '', '/stores?show=ready#token=spt_abc%2B1');
  const own = storage();
  const session = open(own);
  expect(session.takeLinkToken(window.location, window.history)).toBe(true);
  expect(window.location.href).toMatch(/\/stores\?show=ready$/);
  expect([session.token(), session.status(), session.linkToken()]).toEqual([null, 'out', 'spt_abc+1']);
  session.signIn('spt_abc+1');
  expect([session.token(), session.status(), session.linkToken()]).toEqual(['spt_abc+1', 'in', null]);
  expect(open(own).token()).toBe('spt_abc+1');
  window.history.replaceState(null, '', '/#main');
  expect(session.takeLinkToken(window.location, window.history)).toBe(false);
});

test('a token in a link does not replace a session, and the token of the session itself needs no confirmation', () => {
  const session = open();
  session.signIn('mine');
  window.history.replaceState(null, '', '/#token=other%');
  expect(session.takeLinkToken(window.location, window.history)).toBe(true);
  expect([session.token(), session.linkToken()]).toEqual(['mine', 'other%']);
  session.dismissLinkToken();
  expect([session.token(), session.linkToken()]).toEqual(['mine', null]);
  window.history.replaceState(null, '', '/#token=mine');
  expect(session.takeLinkToken(window.location, window.history)).toBe(false);
});

test('only the rejection of the current token ends the session, and listeners are notified once', () => {
  const own = storage();
  const session = open(own);
  const listener = vi.fn();
  session.signIn('new');
  session.subscribe(listener);
  session.expire('old');
  expect(session.status()).toBe('in');
  session.expire('new');
  session.expire('new');
  expect([session.status(), session.token(), listener.mock.calls.length]).toEqual(['expired', null, 1]);
  expect(own.length).toBe(0);
});

test('a new tab gets the session of an open tab, and signing out ends it in both', () => {
  const first = open();
  first.signIn('spt_1');
  const second = open();
  expect([second.token(), second.status()]).toEqual(['spt_1', 'in']);
  second.signOut();
  expect([first.status(), second.status()]).toEqual(['out', 'out']);
});

test('another tab never replaces the session of this one, and renews one that has expired', () => {
  const [first, second] = [open(), open()];
  first.signIn('spt_1');
  second.signIn('spt_2');
  expect([first.token(), second.token()]).toEqual(['spt_1', 'spt_2']);
  first.signOut();
  expect(second.token()).toBe('spt_2');
  second.expire('spt_2');
  first.signIn('spt_3');
  expect([second.token(), second.status()]).toEqual(['spt_3', 'in']);
});
