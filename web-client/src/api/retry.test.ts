import { Code, ConnectError } from '@connectrpc/connect';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { withRetries } from './retry';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const unavailable = () => Promise.reject(new ConnectError('offline', Code.Unavailable));

test('a transient error is retried four times at most, any other error never', async () => {
  const call = vi.fn(unavailable);
  const result = withRetries(call, new AbortController().signal).catch((error: ConnectError) => error.code);
  await vi.advanceTimersByTimeAsync(60_000);
  expect([await result, call.mock.calls.length]).toEqual([Code.Unavailable, 4]);
  const refused = vi.fn(() => Promise.reject(new ConnectError('no', Code.FailedPrecondition)));
  await expect(withRetries(refused, new AbortController().signal)).rejects.toThrow();
  expect(refused).toHaveBeenCalledTimes(1);
});

test('nothing is sent after an abort, also when the browser comes online during the pause', async () => {
  const call = vi.fn(unavailable);
  const controller = new AbortController();
  const result = withRetries(call, controller.signal).catch(() => 'aborted');
  await vi.advanceTimersByTimeAsync(100);
  controller.abort();
  window.dispatchEvent(new Event('online'));
  await vi.advanceTimersByTimeAsync(60_000);
  expect([await result, call.mock.calls.length]).toEqual(['aborted', 1]);
});
