import { ChunkLoading } from '@/ui/chunk-loading';
import { useChunk } from '@/ui/use-chunk';

/** Loads the pages that not everyone may open. The layout does it after the first page, so that they also open while the server is down. */
export const loadAdministration = () => import('./administration');

export function LazyReleasesPage() {
  const { chunk, failed } = useChunk(loadAdministration);
  return chunk ? <chunk.ReleasesPage /> : <ChunkLoading failed={failed} />;
}

export function LazyTenantsPage() {
  const { chunk, failed } = useChunk(loadAdministration);
  return chunk ? <chunk.TenantsPage /> : <ChunkLoading failed={failed} />;
}

export function LazyTokensPage() {
  const { chunk, failed } = useChunk(loadAdministration);
  return chunk ? <chunk.TokensPage /> : <ChunkLoading failed={failed} />;
}
