import { SimpleGrid, Skeleton, Text } from '@mantine/core';
import type { OverviewPeriod } from '@/gen/storeplane/v1/platform_pb';
import { useChunk } from '@/ui/use-chunk';

export interface ChartsProps {
  periods: OverviewPeriod[];
  hours: number;
}

const HEIGHT = 298;

const loadCharts = () => import('./charts');

/** The charts, in a chunk of their own: their library is larger than everything else. */
export function LazyCharts(props: ChartsProps) {
  const { chunk, failed } = useChunk(loadCharts);
  return (
    <SimpleGrid cols={{ base: 1, lg: 2 }} spacing="lg" mih={HEIGHT}>
      {chunk && <chunk.default {...props} />}
      {!chunk && failed && (
        <Text size="sm" className="dimmed">
          The charts couldn't be loaded.
        </Text>
      )}
      {!chunk && !failed && (
        <>
          <Skeleton height={HEIGHT} />
          <Skeleton height={HEIGHT} />
        </>
      )}
    </SimpleGrid>
  );
}
