import { type Client, Code, ConnectError } from '@connectrpc/connect';
import type { StoreEvent } from '@/gen/storeplane/v1/event_pb';
import type { StoreService } from '@/gen/storeplane/v1/store_service_pb';
import { pause } from './pause';

export type Connection = 'connecting' | 'live' | 'lost';

/** The server sends something every 15 s; after two and a bit of them the line is dead. */
const SILENCE_MS = 35_000;
const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 10_000;

export interface WatchHandlers {
  onEvent(event: StoreEvent): void;
  /** The watch begins, from no known place: whatever is in a cache may be older than it. */
  onFresh(): void;
  onConnection(connection: Connection): void;
  /** The server does not take the token, or not any more. */
  onRefused(): void;
}

/** Where a watch has come to. Whoever keeps it can go on from there. */
export interface Place {
  cursor: string;
}

/**
 * Watches all stores until `signal`: each event once and in order, however often the connection is lost. It ends by
 * itself only when the server does not know the caller any more.
 */
export async function watchStores(
  client: Client<typeof StoreService>,
  place: Place,
  handlers: WatchHandlers,
  signal: AbortSignal,
): Promise<void> {
  let failures = 0;
  while (!signal.aborted) {
    const silence = new AbortController();
    let timer = setTimeout(() => silence.abort(), SILENCE_MS);
    try {
      const request = place.cursor ? { cursor: place.cursor } : { fromNow: true };
      const stopped = AbortSignal.any([signal, silence.signal]);
      for await (const { update, cursor } of client.watchStores(request, { signal: stopped, timeoutMs: 0 })) {
        clearTimeout(timer);
        timer = setTimeout(() => silence.abort(), SILENCE_MS);
        failures = 0;
        if (update.case === 'event') handlers.onEvent(update.value);
        if (update.case === 'caughtUp') {
          if (!place.cursor) handlers.onFresh();
          handlers.onConnection('live');
        }
        if (cursor) place.cursor = cursor;
      }
    } catch (error) {
      const { code } = ConnectError.from(error);
      if (signal.aborted) return;
      if (code === Code.Unauthenticated) return handlers.onRefused();
      // The place is not kept any more, or is none of this server's: begin anew.
      if (code === Code.OutOfRange || code === Code.InvalidArgument) place.cursor = '';
    } finally {
      clearTimeout(timer);
      silence.abort();
    }
    if (signal.aborted) return;
    handlers.onConnection('lost');
    await pause(wait(failures++), signal);
  }
}

/** Doubling, with a jitter that keeps many pages apart when a server comes back. */
function wait(failures: number): number {
  const whole = Math.min(FIRST_WAIT_MS * 2 ** failures, LONGEST_WAIT_MS);
  return whole * (0.5 + Math.random() / 2);
}
