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

let browser: Browser;
beforeEach(() => {
  browser = new Browser();
});
const open = () => new Session(browser.channel());

test('a code in a link is removed from the address and does not sign in by itself', () => {
  window.history.replaceState(null, '', '/stores?show=ready#code=spc_abc');
  const session = open();
  expect(session.takeLink(window.location, window.history)).toBe(true);
  expect(window.location.href).toMatch(/\/stores\?show=ready$/);
  expect([session.status(), session.link()]).toEqual(['checking', { code: 'spc_abc' }]);
  session.signedIn();
  expect([session.status(), session.link()]).toEqual(['in', {}]);
  window.history.replaceState(null, '', '/#main');
  expect(session.takeLink(window.location, window.history)).toBe(false);
  window.history.replaceState(null, '', '/#sign-in-error=refused');
  expect(session.takeLink(window.location, window.history)).toBe(true);
  expect(session.link()).toEqual({ error: 'refused' });
});

test('the first response tells whether somebody is signed in', () => {
  const [one, other] = [open(), open()];
  one.confirm();
  expect(one.status()).toBe('in');
  other.expire(other.generation());
  other.confirm();
  expect(other.status()).toBe('out');
});

test('only a rejection of the current session ends it, and listeners are notified once', () => {
  const session = open();
  const listener = vi.fn();
  const before = session.generation();
  session.signedIn();
  session.subscribe(listener);
  session.expire(before);
  expect(session.status()).toBe('in');
  session.expire(session.generation());
  session.expire(session.generation());
  expect([session.status(), listener.mock.calls.length]).toEqual(['expired', 1]);
});

test('signing in and out reaches every tab', () => {
  const [first, second] = [open(), open()];
  first.signedIn();
  expect(second.status()).toBe('in');
  const before = second.generation();
  second.expire(before);
  first.signedIn();
  expect([second.status(), second.generation() > before]).toEqual(['in', true]);
  second.signedOut();
  expect([first.status(), second.status()]).toEqual(['out', 'out']);
});
