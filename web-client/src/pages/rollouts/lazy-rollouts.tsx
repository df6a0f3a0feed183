import { ChunkLoading } from '@/ui/chunk-loading';
import { useChunk } from '@/ui/use-chunk';

/** Loads the code of rollouts. The layout does it after the first page, so that they also open while the server is down. */
export const loadRollouts = () => import('./rollouts');

export function LazyRolloutsPage() {
  const { chunk, failed } = useChunk(loadRollouts);
  return chunk ? <chunk.RolloutsPage /> : <ChunkLoading failed={failed} />;
}

export function LazyRolloutPage() {
  const { chunk, failed } = useChunk(loadRollouts);
  return chunk ? <chunk.RolloutPage /> : <ChunkLoading failed={failed} />;
}
