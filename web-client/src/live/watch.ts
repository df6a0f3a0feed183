import { timestampMs } from '@bufbuild/protobuf/wkt';
import { type Client, Code } from '@connectrpc/connect';
import { observeServerTime } from '@/api/server-clock';
import type { StoreEvent } from '@/gen/storeplane/v1/event_pb';
import type { Store } from '@/gen/storeplane/v1/store_pb';
import type { StoreService } from '@/gen/storeplane/v1/store_service_pb';
import { type Connection, keepOpen } from './stream';

export interface WatchHandlers {
  /** `store` comes with an event that changed its state, and is at least as new as that event. */
  onEvent(event: StoreEvent, store: Store | undefined): void;
  /** The watch begins without a cursor: cached data may be older than its first event. */
  onRestart(): void;
  onConnection(connection: Connection): void;
  /** The server rejected the token. */
  onUnauthenticated(): void;
}

/** Where a watch resumes. */
export interface WatchPosition {
  cursor: string;
}

/**
 * Watches all stores until `signal` aborts: each event once and in order, however often the connection is lost. It ends
 * by itself only when the server rejects the token.
 */
export function watchStores(
  client: Client<typeof StoreService>,
  position: WatchPosition,
  handlers: WatchHandlers,
  signal: AbortSignal,
): Promise<void> {
  return keepOpen(
    {
      open(signal) {
        const request = position.cursor ? { cursor: position.cursor } : { fromNow: true };
        return client.watchStores(request, { signal, timeoutMs: 0 });
      },
      onMessage({ update, cursor, store }) {
        if (update.case === 'event') handlers.onEvent(update.value, store);
        if (update.case === 'heartbeat' && update.value.time) observeServerTime(timestampMs(update.value.time));
        if (update.case === 'caughtUp') {
          if (!position.cursor) handlers.onRestart();
          handlers.onConnection('live');
        }
        if (cursor) position.cursor = cursor;
      },
      onEnd(error) {
        if (error?.code === Code.Unauthenticated) {
          handlers.onUnauthenticated();
          return false;
        }
        // The cursor has expired, or another server issued it: start again without one.
        if (error?.code === Code.OutOfRange || error?.code === Code.InvalidArgument) position.cursor = '';
        return true;
      },
      onLost: () => handlers.onConnection('lost'),
    },
    signal,
  );
}
