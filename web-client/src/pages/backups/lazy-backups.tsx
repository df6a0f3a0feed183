import type { Store } from '@/gen/storeplane/v1/store_pb';
import { ChunkLoading } from '@/ui/chunk-loading';
import { useChunk } from '@/ui/use-chunk';
import type { BackupsPanelProps } from './backups-panel';

/** Loads the code of backups. The layout does it after the first page, so that they also open while the server is down. */
export const loadBackups = () => import('./backups');

export function LazyBackupsPage() {
  const { chunk, failed } = useChunk(loadBackups);
  return chunk ? <chunk.BackupsPage /> : <ChunkLoading failed={failed} />;
}

export function LazyBackupsPanel(props: BackupsPanelProps) {
  const { chunk, failed } = useChunk(loadBackups);
  return chunk ? <chunk.BackupsPanel {...props} /> : <ChunkLoading failed={failed} />;
}

/** Nothing until the code is there: the action is one of several. */
export function LazyUndeleteStore(props: { store: Store }) {
  const { chunk } = useChunk(loadBackups);
  return chunk ? <chunk.UndeleteStore {...props} /> : null;
}

/** Nothing until the code is there: the fact is one of several. */
export function LazySourceFact(props: { store: Store }) {
  const { chunk } = useChunk(loadBackups);
  return chunk ? <chunk.SourceFact {...props} /> : null;
}
