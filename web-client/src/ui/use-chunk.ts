import { useEffect, useState } from 'react';
import { useLive } from '@/live/live';

/** Code in a chunk of its own, which is loaded after the page, and again after an outage. `load` must not change. */
export function useChunk<T extends object>(load: () => Promise<T>): { chunk: T | undefined; failed: boolean } {
  const [chunk, setChunk] = useState<T>();
  const [failed, setFailed] = useState(false);
  const { connection } = useLive();
  // biome-ignore lint/correctness/useExhaustiveDependencies: each change of the connection is another attempt
  useEffect(() => {
    if (chunk) return;
    let wanted = true;
    load().then(
      (loaded) => {
        if (!wanted) return;
        setChunk(loaded);
        setFailed(false);
      },
      () => wanted && setFailed(true),
    );
    return () => {
      wanted = false;
    };
  }, [chunk, load, connection]);
  return { chunk, failed };
}
