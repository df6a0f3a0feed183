import { Code, ConnectError, createClient, createRouterTransport } from '@connectrpc/connect';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { StoreService, type WatchStoresRequest } from '@/gen/storeplane/v1/store_service_pb';
import { makeEvent } from '../../test/fixtures';
import { watchStores } from './watch';

const CAUGHT_UP = { update: { case: 'caughtUp', value: {} } } as const;
const event = (n: number) =>
  ({ update: { case: 'event', value: makeEvent(n, { type: 'WAITING' }) }, cursor: `c${n}` }) as const;
const untilAborted = (signal: AbortSignal) =>
  new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));

/** Fails at once. */
const fail = (message: string, code: Code): Answer =>
  // biome-ignore lint/correctness/useYield: it only throws
  async function* () {
    throw new ConnectError(message, code);
  };

type Answer = (
  request: WatchStoresRequest,
  signal: AbortSignal,
) => AsyncGenerator<ReturnType<typeof event> | (typeof CAUGHT_UP & { cursor: string })>;

beforeEach(() => void vi.useFakeTimers({ shouldAdvanceTime: true }));
afterEach(() => void vi.useRealTimers());

/** Watches a server with one answer per call, until `enough` events arrived. */
async function watch(answers: Answer[], enough: number) {
  const requests: string[] = [];
  const seen: number[] = [];
  const calls: string[] = [];
  const stop = new AbortController();
  const transport = createRouterTransport(({ service }) =>
    service(StoreService, {
      async *watchStores(request, { signal }) {
        requests.push(request.cursor || (request.fromNow ? 'from now' : 'snapshot'));
        const answer = answers[requests.length - 1];
        if (!answer) throw new ConnectError('no more', Code.Unavailable);
        yield* answer(request, signal);
      },
    }),
  );
  const ended = watchStores(
    createClient(StoreService, transport),
    { cursor: '' },
    {
      onEvent: ({ sequence }) => void (seen.push(Number(sequence)) >= enough && stop.abort()),
      onUnauthenticated: () => void calls.push('unauthenticated'),
      onRestart: () => void calls.push('restart'),
      onConnection: (connection) => void calls.push(connection),
    },
    stop.signal,
  );
  await vi.waitFor(() => ended, { timeout: 60_000 });
  return { requests, seen, calls };
}

test('a lost connection resumes at the last cursor without repeating events', async () => {
  const { requests, seen, calls } = await watch(
    [
      async function* () {
        yield { ...CAUGHT_UP, cursor: 'c0' };
        yield event(1);
        throw new ConnectError('gone', Code.Unavailable);
      },
      async function* () {
        yield event(2);
        yield { ...CAUGHT_UP, cursor: 'c2' };
        yield event(3);
      },
    ],
    3,
  );
  expect(requests).toEqual(['from now', 'c1']);
  expect(seen).toEqual([1, 2, 3]);
  expect(calls).toEqual(['restart', 'live', 'lost', 'live']);
});

test('an expired cursor restarts the watch and reports it', async () => {
  const { requests, calls } = await watch(
    [
      async function* () {
        yield { ...CAUGHT_UP, cursor: 'c0' };
        throw new ConnectError('gone', Code.Unavailable);
      },
      fail('the cursor has expired', Code.OutOfRange),
      async function* () {
        yield { ...CAUGHT_UP, cursor: 'c9' };
        yield event(10);
      },
    ],
    1,
  );
  expect(requests).toEqual(['from now', 'c0', 'from now']);
  expect(calls.filter((each) => each === 'restart')).toHaveLength(2);
});

test('a stream that is silent for longer than two heartbeats is replaced', async () => {
  const watching = watch(
    [
      async function* (_, signal) {
        yield { ...CAUGHT_UP, cursor: 'c0' };
        await untilAborted(signal);
      },
      async function* () {
        yield event(1);
      },
    ],
    1,
  );
  await vi.advanceTimersByTimeAsync(34_000);
  await vi.advanceTimersByTimeAsync(3_000);
  const { requests, seen } = await watching;
  expect(requests).toEqual(['from now', 'c0']);
  expect(seen).toEqual([1]);
});

test('a rejected token ends the watch and is reported', async () => {
  const { requests, calls } = await watch([fail('the token was revoked', Code.Unauthenticated)], 1);
  expect(requests).toHaveLength(1);
  expect(calls).toEqual(['unauthenticated']);
});
