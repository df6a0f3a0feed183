import { Button, Group, SegmentedControl, SimpleGrid, Skeleton, Stack, Title } from '@mantine/core';
import { IconPlus } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useApi } from '@/api/api';
import { DEFAULT_WINDOW_HOURS } from '@/api/queries';
import type { Overview } from '@/gen/storeplane/v1/platform_pb';
import { useMayChange } from '@/session/caller';
import { Empty } from '@/ui/empty';
import { ProblemAlert } from '@/ui/problem-alert';
import { useTitle } from '@/ui/title';
import { LazyCharts } from './lazy-charts';
import { GoingOn, Quotas, RecentEvents } from './now';
import { Numbers } from './numbers';
import { WINDOWS } from './search';
import { States } from './states';

const route = getRouteApi('/');

export function OverviewPage() {
  useTitle('Overview');
  const { queries } = useApi();
  const { hours = DEFAULT_WINDOW_HOURS } = route.useSearch();
  const navigate = route.useNavigate();
  const overview = useQuery({ ...queries.overview(hours), refetchInterval: 60_000 });
  return (
    <Stack gap="lg">
      <Group justify="space-between">
        <Title order={1} size="h2">
          Overview
        </Title>
        <SegmentedControl
          aria-label="How far back"
          value={String(hours)}
          onChange={(value) => void navigate({ search: { hours: Number(value) } })}
          data={WINDOWS.map((window) => ({ value: String(window.hours), label: window.label }))}
        />
      </Group>
      {overview.error && (
        <ProblemAlert title="The overview could not be read" error={overview.error} onRetry={overview.refetch} />
      )}
      {overview.data ? <OverviewView overview={overview.data} hours={hours} /> : !overview.error && <Loading />}
    </Stack>
  );
}

function OverviewView({ overview, hours }: { overview: Overview; hours: number }) {
  const mayChange = useMayChange();
  const isNew = overview.states.length === 0 && overview.recentEvents.length === 0;
  if (isNew) {
    return (
      <Empty title="No store yet">
        {mayChange ? (
          <Button component={Link} to="/create" mt="xs" leftSection={<IconPlus size={16} aria-hidden />}>
            Create the first store
          </Button>
        ) : (
          'What happens to stores will be here.'
        )}
      </Empty>
    );
  }
  return (
    <>
      <States states={overview.states} />
      <Numbers overview={overview} />
      <LazyCharts periods={overview.periods} hours={hours} />
      <SimpleGrid cols={{ base: 1, lg: 2 }} spacing="lg">
        <Stack gap="lg">
          <GoingOn operations={overview.activeOperations} total={overview.activeOperationCount} />
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
