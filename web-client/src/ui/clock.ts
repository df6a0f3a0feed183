import { useCallback, useSyncExternalStore } from 'react';
import { serverNow } from '@/api/server-clock';

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

/** A text that depends on the server's time. The page has one timer, and renders only texts that changed. */
export function useTicking(text: (now: number) => string): string {
  return useSyncExternalStore(
    subscribe,
    useCallback(() => text(serverNow()), [text]),
  );
}
