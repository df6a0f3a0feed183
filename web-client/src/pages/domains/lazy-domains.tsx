import { ChunkLoading } from '@/ui/chunk-loading';
import { useChunk } from '@/ui/use-chunk';
import type { DomainsPanelProps } from './domains-panel';

/** Loads the code of domains after the page of a store. */
const loadDomains = () => import('./domains-panel');

export function LazyDomainsPanel(props: DomainsPanelProps) {
  const { chunk, failed } = useChunk(loadDomains);
  return chunk ? <chunk.DomainsPanel {...props} /> : <ChunkLoading failed={failed} />;
}
