import { Code, ConnectError, createClient, createRouterTransport } from '@connectrpc/connect';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { StoreService, type WatchStoresRequest } from '@/gen/storeplane/v1/store_service_pb';
import { makeEvent } from '../../test/make';
import { watchStores } from './watch';

const CAUGHT_UP = { update: { case: 'caughtUp', value: {} } } as const;
const event = (n: number) =>
  ({ update: { case: 'event', value: makeEvent(n, { type: 'WAITING' }) }, cursor: `c${n}` }) as const;
const silent = (signal: AbortSignal) =>
  new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));

/** Refuses at once. */
const refuse = (message: string, code: Code): Answer =>
  // biome-ignore lint/correctness/useYield: it has nothing to say
  async function* () {
    throw new ConnectError(message, code);
  };

type Answer = (
  request: WatchStoresRequest,
  signal: AbortSignal,
) => AsyncGenerator<ReturnType<typeof event> | (typeof CAUGHT_UP & { cursor: string })>;

beforeEach(() => void vi.useFakeTimers({ shouldAdvanceTime: true }));
afterEach(() => void vi.useRealTimers());

/** Watches a server that answers each call in another way, until `enough` events came. */
async function watch(answers: Answer[], enough: number) {
  const asked: string[] = [];
  const seen: number[] = [];
  const said: string[] = [];
  const stop = new AbortController();
  const transport = createRouterTransport(({ service }) =>
    service(StoreService, {
      async *watchStores(request, { signal }) {
        asked.push(request.cursor || (request.fromNow ? 'from now' : 'snapshot'));
        const answer = answers[asked.length - 1];
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
      onRefused: () => void said.push('refused'),
      onFresh: () => void said.push('fresh'),
      onConnection: (connection) => void said.push(connection),
    },
    stop.signal,
  );
  await vi.waitFor(() => ended, { timeout: 60_000 });
  return { asked, seen, said };
}

test('a lost connection is gone on with from the last cursor, and nothing is told twice', async () => {
  const { asked, seen, said } = await watch(
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
  expect(asked).toEqual(['from now', 'c1']);
  expect(seen).toEqual([1, 2, 3]);
  expect(said).toEqual(['fresh', 'live', 'lost', 'live']);
});

test('a cursor that is not kept any more begins anew, and says that everything may be old', async () => {
  const { asked, said } = await watch(
    [
      async function* () {
        yield { ...CAUGHT_UP, cursor: 'c0' };
        throw new ConnectError('gone', Code.Unavailable);
      },
      refuse('the cursor is older than what is kept', Code.OutOfRange),
      async function* () {
        yield { ...CAUGHT_UP, cursor: 'c9' };
        yield event(10);
      },
    ],
    1,
  );
  expect(asked).toEqual(['from now', 'c0', 'from now']);
  expect(said.filter((each) => each === 'fresh')).toHaveLength(2);
});

test('a line that is silent for longer than two heartbeats is dead', async () => {
  const watching = watch(
    [
      async function* (_, signal) {
        yield { ...CAUGHT_UP, cursor: 'c0' };
        await silent(signal);
      },
      async function* () {
        yield event(1);
      },
    ],
    1,
  );
  await vi.advanceTimersByTimeAsync(34_000);
  await vi.advanceTimersByTimeAsync(3_000);
  const { asked, seen } = await watching;
  expect(asked).toEqual(['from now', 'c0']);
  expect(seen).toEqual([1]);
});

test('a token that is not taken ends it, and that is said', async () => {
  const { asked, said } = await watch([refuse('the token was revoked', Code.Unauthenticated)], 1);
  expect(asked).toHaveLength(1);
  expect(said).toEqual(['refused']);
});
