import { type Client, Code, type ConnectError } from '@connectrpc/connect';
import { isOpen } from '@/api/rollout-state';
import type { Rollout, RolloutService, RolloutStore } from '@/gen/storeplane/v1/rollout_service_pb';
import { type Connection, keepOpen } from './stream';

/** A rollout as its watch has reported it. */
export interface WatchedRollout {
  /** Absent until the first stores have arrived. */
  rollout: Rollout | undefined;
  /** Its stores by uid. */
  stores: ReadonlyMap<string, RolloutStore>;
  /** Where the watch resumes; 0 from the beginning. */
  version: bigint;
}

export const UNWATCHED: WatchedRollout = { rollout: undefined, stores: new Map(), version: 0n };

export interface RolloutHandlers {
  /** What is known by now. */
  onChange(watched: WatchedRollout): void;
  /** `error` is why it was lost, if there was one. */
  onConnection(connection: Connection, error?: ConnectError): void;
  /** The server rejected the token. */
  onUnauthenticated(): void;
  /** The rollout can't be watched, and trying again would not help. */
  onRefused(error: ConnectError): void;
}

/** Codes of answers that stay the same. */
const FINAL: readonly Code[] = [Code.NotFound, Code.PermissionDenied, Code.InvalidArgument, Code.Unimplemented];

/** Watches a rollout from what is `known` on, until `signal` aborts or it has ended. A lost watch resumes where it was. */
export function watchRollout(
  client: Client<typeof RolloutService>,
  rolloutId: string,
  known: WatchedRollout,
  handlers: RolloutHandlers,
  signal: AbortSignal,
): Promise<void> {
  let watched = known;
  let isLive = false;
  const confirm = () => {
    if (!isLive) handlers.onConnection('live');
    isLive = true;
  };
  return keepOpen(
    {
      open(signal) {
        // The server answers once it has read the rollout. Without a change, the first message is a heartbeat, 15 s later.
        const options = { signal, timeoutMs: 0, onHeader: confirm };
        return client.watchRollout({ rolloutId, afterVersion: watched.version }, options);
      },
      onMessage({ rollout, stores, version }) {
        confirm();
        if (!rollout && stores.length === 0) return;
        const all = new Map(watched.stores);
        for (const store of stores) all.set(store.storeUid, store);
        watched = { rollout: rollout ?? watched.rollout, stores: all, version };
        handlers.onChange(watched);
      },
      onEnd(error) {
        // The server ends the stream when nothing changes any more.
        if (!error) return !watched.rollout || isOpen(watched.rollout);
        if (error.code === Code.Unauthenticated) {
          handlers.onUnauthenticated();
          return false;
        }
        if (error.code === Code.InvalidArgument && watched.version > 0n) {
          // The server does not have that version, for example after a restore of its database.
          watched = UNWATCHED;
          return true;
        }
        if (!FINAL.includes(error.code)) return true;
        handlers.onRefused(error);
        return false;
      },
      onLost(error) {
        isLive = false;
        handlers.onConnection('lost', error);
      },
    },
    signal,
  );
}
