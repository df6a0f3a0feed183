/** Differences below this are network latency and the one-second resolution of the Date header. */
const TOLERANCE_MS = 2500;

let offsetMs = 0;

/** Records the server's time; `now` is the browser's clock at that moment. */
export function observeServerTime(serverMs: number, now = Date.now()): void {
  if (!Number.isFinite(serverMs)) return;
  const difference = serverMs - now;
  offsetMs = Math.abs(difference) < TOLERANCE_MS ? 0 : difference;
}

/** The current time by the server's clock, which stamps everything that is shown. The browser's clock may be wrong. */
export function serverNow(): number {
  return Date.now() + offsetMs;
}
