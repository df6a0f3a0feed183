import { ConnectError } from '@connectrpc/connect';
import { pause } from '@/api/pause';

export type Connection = 'connecting' | 'live' | 'lost';

/** The server sends a heartbeat every 15 s. A stream that is silent for longer than two of them is dead. */
const SILENCE_MS = 35_000;
const FIRST_DELAY_MS = 250;
const LONGEST_DELAY_MS = 10_000;

/** A watch of the server: a stream that is opened again wherever it ended. */
export interface Watch<T> {
  /** Opens the stream where it ended. */
  open(signal: AbortSignal): AsyncIterable<T>;
  onMessage(message: T): void;
  /** The stream ended, by itself or with an error. False: it is not opened again. */
  onEnd(error: ConnectError | undefined): boolean;
  /** It will be opened again after a pause. */
  onLost(error: ConnectError | undefined): void;
}

/** Keeps a watch open until `signal` aborts or it has ended, however often the connection is lost. */
export async function keepOpen<T>(watch: Watch<T>, signal: AbortSignal): Promise<void> {
  let failures = 0;
  while (!signal.aborted) {
    const silence = new AbortController();
    let timer = setTimeout(() => silence.abort(), SILENCE_MS);
    let error: ConnectError | undefined;
    try {
      for await (const message of watch.open(AbortSignal.any([signal, silence.signal]))) {
        clearTimeout(timer);
        timer = setTimeout(() => silence.abort(), SILENCE_MS);
        failures = 0;
        watch.onMessage(message);
      }
    } catch (cause) {
      error = ConnectError.from(cause);
    } finally {
      clearTimeout(timer);
      silence.abort();
    }
    if (signal.aborted || !watch.onEnd(error)) return;
    watch.onLost(error);
    await pause(backoff(failures++), signal);
  }
}

/** Exponential, with jitter, so that many pages do not reconnect at the same moment. */
function backoff(failures: number): number {
  const whole = Math.min(FIRST_DELAY_MS * 2 ** failures, LONGEST_DELAY_MS);
  return whole * (0.5 + Math.random() / 2);
}
