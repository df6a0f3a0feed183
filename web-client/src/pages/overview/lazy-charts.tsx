import { SimpleGrid, Skeleton } from '@mantine/core';
import { lazy, Suspense } from 'react';
import type { OverviewPeriod } from '@/gen/storeplane/v1/platform_pb';

const Charts = lazy(() => import('./charts'));

/** The charts come after the page: their library is the largest part of all. */
export function LazyCharts(props: { periods: OverviewPeriod[]; hours: number }) {
  return (
    <SimpleGrid cols={{ base: 1, lg: 2 }} spacing="lg" mih={298}>
      <Suspense
        fallback={
          <>
            <Skeleton height={298} />
            <Skeleton height={298} />
          </>
        }
      >
        <Charts {...props} />
      </Suspense>
    </SimpleGrid>
  );
}
