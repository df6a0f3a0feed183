import { Skeleton, Text } from '@mantine/core';
import { useChunk } from '@/ui/use-chunk';
import type { BackupsPanelProps } from './backups-panel';

/** Loads the code of backups. The layout does it after the first page, so that they also open while the server is down. */
export const loadBackups = () => import('./backups');

export function LazyBackupsPage() {
  const { chunk, failed } = useChunk(loadBackups);
  return chunk ? <chunk.BackupsPage /> : <Loading failed={failed} />;
}

export function LazyBackupsPanel(props: BackupsPanelProps) {
  const { chunk, failed } = useChunk(loadBackups);
  return chunk ? <chunk.BackupsPanel {...props} /> : <Loading failed={failed} />;
}

function Loading({ failed }: { failed: boolean }) {
  if (!failed) return <Skeleton height={140} aria-busy />;
  return (
    <Text size="sm" className="dimmed">
      The code of this part couldn't be loaded. It is loaded again once the server can be reached.
    </Text>
  );
}
