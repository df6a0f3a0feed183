import { useCallback, useSyncExternalStore } from 'react';

const listeners = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(() => {
    for (const each of listeners) each();
  }, 1000);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

const never = () => () => undefined;

/** A text that depends on the time of day. One timer serves the page, and only what reads differently is drawn again. */
export function useTicking(text: (now: number) => string, running = true): string {
  return useSyncExternalStore(
    running ? subscribe : never,
    useCallback(() => text(Date.now()), [text]),
  );
}
