import { timestampMs } from '@bufbuild/protobuf/wkt';
import { type Client, Code, ConnectError } from '@connectrpc/connect';
import { pause } from '@/api/pause';
import { observeServerTime } from '@/api/server-clock';
import type { StoreEvent } from '@/gen/storeplane/v1/event_pb';
import type { Store } from '@/gen/storeplane/v1/store_pb';
import type { StoreService } from '@/gen/storeplane/v1/store_service_pb';

export type Connection = 'connecting' | 'live' | 'lost';

/** The server sends a heartbeat every 15 s. A stream that is silent for longer than two of them is dead. */
const SILENCE_MS = 35_000;
const FIRST_DELAY_MS = 250;
const LONGEST_DELAY_MS = 10_000;

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
export async function watchStores(
  client: Client<typeof StoreService>,
  position: WatchPosition,
  handlers: WatchHandlers,
  signal: AbortSignal,
): Promise<void> {
  let failures = 0;
  while (!signal.aborted) {
    const silence = new AbortController();
    let timer = setTimeout(() => silence.abort(), SILENCE_MS);
    try {
      const request = position.cursor ? { cursor: position.cursor } : { fromNow: true };
      const stopped = AbortSignal.any([signal, silence.signal]);
      for await (const { update, cursor, store } of client.watchStores(request, { signal: stopped, timeoutMs: 0 })) {
        clearTimeout(timer);
        timer = setTimeout(() => silence.abort(), SILENCE_MS);
        failures = 0;
        if (update.case === 'event') handlers.onEvent(update.value, store);
        if (update.case === 'heartbeat' && update.value.time) observeServerTime(timestampMs(update.value.time));
        if (update.case === 'caughtUp') {
          if (!position.cursor) handlers.onRestart();
          handlers.onConnection('live');
        }
        if (cursor) position.cursor = cursor;
      }
    } catch (error) {
      const { code } = ConnectError.from(error);
      if (signal.aborted) return;
      if (code === Code.Unauthenticated) return handlers.onUnauthenticated();
      // The cursor has expired, or another server issued it: start again without one.
      if (code === Code.OutOfRange || code === Code.InvalidArgument) position.cursor = '';
    } finally {
      clearTimeout(timer);
      silence.abort();
    }
    if (signal.aborted) return;
    handlers.onConnection('lost');
    await pause(backoff(failures++), signal);
  }
}

/** Exponential, with jitter, so that many pages do not reconnect at the same moment. */
function backoff(failures: number): number {
  const whole = Math.min(FIRST_DELAY_MS * 2 ** failures, LONGEST_DELAY_MS);
  return whole * (0.5 + Math.random() / 2);
}
