import { SimpleGrid, Skeleton, Text } from '@mantine/core';
import { type ComponentType, useEffect, useState } from 'react';
import type { OverviewPeriod } from '@/gen/storeplane/v1/platform_pb';
import { useLive } from '@/live/live';

export interface ChartsProps {
  periods: OverviewPeriod[];
  hours: number;
}

const HEIGHT = 298;

/** The charts, in a chunk of their own: their library is larger than everything else. It is loaded again after an outage. */
export function LazyCharts(props: ChartsProps) {
  const [Charts, setCharts] = useState<ComponentType<ChartsProps>>();
  const [failed, setFailed] = useState(false);
  const { connection } = useLive();
  useEffect(() => {
    if (Charts || connection === 'lost') return;
    import('./charts').then(
      (charts) => {
        setCharts(() => charts.default);
        setFailed(false);
      },
      () => setFailed(true),
    );
  }, [Charts, connection]);
  return (
    <SimpleGrid cols={{ base: 1, lg: 2 }} spacing="lg" mih={HEIGHT}>
      {Charts && <Charts {...props} />}
      {!Charts && failed && (
        <Text size="sm" className="dimmed">
          The charts couldn't be loaded.
        </Text>
      )}
      {!Charts && !failed && (
        <>
          <Skeleton height={HEIGHT} />
          <Skeleton height={HEIGHT} />
        </>
      )}
    </SimpleGrid>
  );
}
