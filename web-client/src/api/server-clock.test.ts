import { afterEach, expect, test, vi } from 'vitest';
import { observeServerTime, serverNow } from './server-clock';

afterEach(() => {
  observeServerTime(Date.now());
  vi.useRealTimers();
});

test('the server clock corrects a browser clock that is wrong, and ignores latency', () => {
  vi.useFakeTimers({ now: 1_000_000 });
  observeServerTime(1_600_000);
  expect(serverNow()).toBe(1_600_000);
  vi.advanceTimersByTime(5000);
  expect(serverNow()).toBe(1_605_000);
  observeServerTime(Date.now() - 900);
  expect(serverNow()).toBe(Date.now());
  observeServerTime(Number.NaN);
  expect(serverNow()).toBe(Date.now());
});
