import { beforeEach, expect, test, vi } from 'vitest';
import { Session } from './session';

beforeEach(() => window.sessionStorage.clear());

test('a token in the address is taken, and is not there any more', () => {
  window.history.replaceState(null, '', '/stores?show=ready#token=spt_abc%2B1');
  const session = new Session(window.sessionStorage);
  expect(session.takeFromAddress(window.location, window.history)).toBe(true);
  expect(window.location.href).toMatch(/\/stores\?show=ready$/);
  expect([session.token(), session.status()]).toEqual(['spt_abc+1', 'in']);
  expect(new Session(window.sessionStorage).token()).toBe('spt_abc+1');
  window.history.replaceState(null, '', '/#main');
  expect(session.takeFromAddress(window.location, window.history)).toBe(false);
});

test('only a refusal of the token that is in use ends the session, and is told once', () => {
  const session = new Session(window.sessionStorage);
  const told = vi.fn();
  session.signIn('new');
  session.subscribe(told);
  session.expire('old');
  expect(session.status()).toBe('in');
  session.expire('new');
  session.expire('new');
  expect([session.status(), session.token(), told.mock.calls.length]).toEqual(['expired', null, 1]);
  expect(window.sessionStorage.length).toBe(0);
});
