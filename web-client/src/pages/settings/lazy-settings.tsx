import { ChunkLoading } from '@/ui/chunk-loading';
import { useChunk } from '@/ui/use-chunk';
import type { EditStoreProps } from './edit-store';
import type { RevisionsPanelProps } from './revisions-panel';

/** Loads the code of settings and revisions. The layout does it after the first page, so that they also open while the server is down. */
export const loadSettings = () => import('./settings');

/** Nothing until the code is there: the action is one of several. */
export function LazyEditStore(props: EditStoreProps) {
  const { chunk } = useChunk(loadSettings);
  return chunk ? <chunk.EditStore {...props} /> : null;
}

export function LazyRevisionsPanel(props: RevisionsPanelProps) {
  const { chunk, failed } = useChunk(loadSettings);
  return chunk ? <chunk.RevisionsPanel {...props} /> : <ChunkLoading failed={failed} />;
}
