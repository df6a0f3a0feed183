import { Button, Group, SegmentedControl, SimpleGrid, Skeleton, Stack } from '@mantine/core';
import { IconPlus } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useApi } from '@/api/api';
import { DEFAULT_WINDOW_HOURS } from '@/api/queries';
import type { Overview } from '@/gen/storeplane/v1/platform_pb';
import { useCanEdit } from '@/session/caller';
import { Empty } from '@/ui/empty';
import { PageTitle } from '@/ui/page-title';
import { QueryProblem } from '@/ui/query-problem';
import { NeedsAttention } from './attention';
import { InProgress } from './in-progress';
import { LazyCharts } from './lazy-charts';
import { Quotas } from './quotas';
import { RecentEvents } from './recent-events';
import { WINDOWS } from './search';
import { StateTiles } from './state-tiles';
import { Totals } from './totals';

const route = getRouteApi('/');

export function OverviewPage() {
  const { queries } = useApi();
  const { hours = DEFAULT_WINDOW_HOURS } = route.useSearch();
  const navigate = route.useNavigate();
  const overview = useQuery({ ...queries.overview(hours), refetchInterval: 60_000 });
  return (
    <Stack gap="lg">
      <Group justify="space-between">
        <PageTitle tab="Overview">Overview</PageTitle>
        <SegmentedControl
          aria-label="Time window"
          value={String(hours)}
          onChange={(value) => void navigate({ search: { hours: Number(value) } })}
          data={WINDOWS.map((window) => ({ value: String(window.hours), label: window.label }))}
        />
      </Group>
      <QueryProblem title="The overview couldn't be loaded" query={overview} />
      {overview.data ? <OverviewView overview={overview.data} hours={hours} /> : !overview.error && <Loading />}
    </Stack>
  );
}

function OverviewView({ overview, hours }: { overview: Overview; hours: number }) {
  const canEdit = useCanEdit();
  const isNew = overview.states.length === 0 && overview.recentEvents.length === 0;
  if (isNew) {
    return (
      <Empty title="No stores yet">
        {canEdit && (
          <Button component={Link} to="/create" mt="xs" leftSection={<IconPlus size={16} aria-hidden />}>
            Create the first store
          </Button>
        )}
      </Empty>
    );
  }
  return (
    <>
      <NeedsAttention />
      <StateTiles overview={overview} />
      <Totals overview={overview} hours={hours} />
      <LazyCharts periods={overview.periods} hours={hours} />
      <SimpleGrid cols={{ base: 1, lg: 2 }} spacing="lg">
        <Stack gap="lg">
          <InProgress operations={overview.activeOperations} total={overview.activeOperationCount} />
          <Quotas quotas={overview.quotas} />
        </Stack>
        <RecentEvents events={overview.recentEvents} />
      </SimpleGrid>
    </>
  );
}

function Loading() {
  return (
    <Stack gap="lg" aria-busy>
      <Skeleton height={88} />
      <Skeleton height={88} />
      <SimpleGrid cols={{ base: 1, lg: 2 }} spacing="lg">
        <Skeleton height={310} />
        <Skeleton height={310} />
      </SimpleGrid>
    </Stack>
  );
}
