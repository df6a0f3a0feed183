import type { MessageInitShape } from '@bufbuild/protobuf';
import { Code, ConnectError, createClient, createRouterTransport } from '@connectrpc/connect';
import { expect, test } from 'vitest';
import {
  RolloutService,
  RolloutState,
  RolloutStoreState,
  type WatchRolloutResponseSchema,
} from '@/gen/storeplane/v1/rollout_service_pb';
import { UNWATCHED, type WatchedRollout, watchRollout } from './rollout';

type Answer = (MessageInitShape<typeof WatchRolloutResponseSchema> | ConnectError)[];

const store = (storeId: string, state = RolloutStoreState.PENDING) => ({ storeId, storeUid: `uid-${storeId}`, state });
const rollout = (state: RolloutState) => ({ rolloutId: 'r1', state });

/** Watches a server with one answer per call. */
async function watch(answers: Answer[], known = UNWATCHED) {
  const versions: bigint[] = [];
  const calls: string[] = [];
  let last: WatchedRollout = known;
  const transport = createRouterTransport(({ service }) =>
    service(RolloutService, {
      async *watchRollout({ afterVersion }) {
        versions.push(afterVersion);
        for (const part of answers[versions.length - 1] ?? [new ConnectError('no more', Code.NotFound)]) {
          if (part instanceof ConnectError) throw part;
          yield part;
        }
      },
    }),
  );
  const handlers = {
    onChange: (watched: WatchedRollout) => (last = watched),
    onConnection: (connection: string) => void calls.push(connection),
    onUnauthenticated: () => void calls.push('unauthenticated'),
    onRefused: ({ code }: ConnectError) => void calls.push(`refused ${Code[code]}`),
  };
  await watchRollout(createClient(RolloutService, transport), 'r1', known, handlers, new AbortController().signal);
  const states = [...last.stores.values()].map(({ storeId, state }) => `${storeId} ${RolloutStoreState[state]}`);
  return { versions, calls, states, last };
}

test('a lost watch resumes at the last version, and ends with the rollout', async () => {
  const { versions, calls, states, last } = await watch([
    [
      // A part of the stores: the watch can't resume behind it.
      { stores: [store('a')], version: 0n },
      { rollout: rollout(RolloutState.RUNNING), stores: [store('b')], version: 4n },
      { version: 4n },
      new ConnectError('gone', Code.Unavailable),
    ],
    // A proxy ended it.
    [{ stores: [store('b', RolloutStoreState.FAILED)], rollout: rollout(RolloutState.RUNNING), version: 5n }],
    [{ rollout: rollout(RolloutState.COMPLETED), stores: [store('a', RolloutStoreState.SUCCEEDED)], version: 7n }],
  ]);
  expect(versions).toEqual([0n, 4n, 5n]);
  expect(calls).toEqual(['live', 'lost', 'live', 'lost', 'live']);
  expect(states).toEqual(['a SUCCEEDED', 'b FAILED']);
  expect(last.rollout?.state).toBe(RolloutState.COMPLETED);
});

test('a watch that was lost before all stores were received begins again', async () => {
  const { versions, states } = await watch([
    [{ stores: [store('a')], version: 0n }, new ConnectError('gone', Code.Unavailable)],
    [
      { stores: [store('a')], version: 0n },
      { rollout: rollout(RolloutState.ABORTED), stores: [store('b')], version: 4n },
    ],
  ]);
  expect(versions).toEqual([0n, 0n]);
  expect(states).toEqual(['a PENDING', 'b PENDING']);
});

test('a version that the server does not have is given up', async () => {
  const known = { ...UNWATCHED, version: 9n };
  const { versions } = await watch(
    [
      [new ConnectError('after_version', Code.InvalidArgument)],
      [{ rollout: rollout(RolloutState.COMPLETED), stores: [store('a')], version: 3n }],
    ],
    known,
  );
  expect(versions).toEqual([9n, 0n]);
});

test.each([
  [Code.NotFound, 'refused NotFound'],
  [Code.PermissionDenied, 'refused PermissionDenied'],
  [Code.InvalidArgument, 'refused InvalidArgument'],
  [Code.Unauthenticated, 'unauthenticated'],
])('the answer %i ends the watch and is reported', async (code, report) => {
  const { versions, calls } = await watch([[new ConnectError('no', code)]]);
  expect(versions).toHaveLength(1);
  expect(calls.filter((call) => call !== 'live')).toEqual([report]);
});
