/** Runs `act` for each item, at most `limit` at a time. Starts no further item after `signal` aborts. */
export async function inParallel<T>(
  items: readonly T[],
  limit: number,
  signal: AbortSignal,
  act: (item: T) => Promise<void>,
): Promise<void> {
  const queue = items.values();
  const worker = async () => {
    while (!signal.aborted) {
      const { value, done } = queue.next();
      if (done) return;
      await act(value);
    }
  };
  await Promise.all(Array.from({ length: limit }, worker));
}
