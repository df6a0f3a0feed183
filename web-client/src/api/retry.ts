import { pause } from './pause';
import { isTransient } from './problem';

const ATTEMPTS = 4;
const FIRST_DELAY_MS = 500;

/**
 * Repeats a call while its error is transient. The caller passes the same `request_id` each time. Nothing is sent
 * after `signal` aborts: mutations retry here and not in TanStack Query, whose retries outlive the dialog that began them.
 */
export async function withRetries<T>(call: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    signal.throwIfAborted();
    try {
      return await call(signal);
    } catch (error) {
      if (attempt === ATTEMPTS || signal.aborted || !isTransient(error)) throw error;
      await pause(FIRST_DELAY_MS * 2 ** (attempt - 1), signal);
    }
  }
}
