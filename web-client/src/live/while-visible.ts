/** A hidden page releases its connections after this: a browser has six per server. */
const HIDDEN_MS = 60_000;

/** Runs something while the page is visible, and for a while after it was hidden. */
export function whileVisible(start: (signal: AbortSignal, hiddenMs: number) => void): () => void {
  let running: AbortController | undefined;
  let hiddenSince = Date.now();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const stop = () => {
    running?.abort();
    running = undefined;
  };
  const update = () => {
    clearTimeout(timer);
    if (document.hidden) {
      hiddenSince = Date.now();
      timer = setTimeout(stop, HIDDEN_MS);
    } else if (!running) {
      running = new AbortController();
      start(running.signal, Date.now() - hiddenSince);
    }
  };
  document.addEventListener('visibilitychange', update);
  update();
  return () => {
    document.removeEventListener('visibilitychange', update);
    clearTimeout(timer);
    stop();
  };
}
