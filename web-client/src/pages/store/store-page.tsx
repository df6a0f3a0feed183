import { Code } from '@connectrpc/connect';
import { Alert, Anchor, Group, Skeleton, Stack, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useApi } from '@/api/api';
import { problem } from '@/api/problem';
import { type Store, StoreState } from '@/gen/storeplane/v1/store_pb';
import { useMayChange } from '@/session/caller';
import { Copy } from '@/ui/copy';
import { Empty } from '@/ui/empty';
import { ProblemAlert } from '@/ui/problem-alert';
import { StateBadge } from '@/ui/state-badge';
import { useTitle } from '@/ui/title';
import { Actions } from './actions';
import { Credentials } from './credentials';
import { Facts } from './facts';
import { FailureCard } from './failure-card';
import { History } from './history';
import { ResourcesPanel } from './resources-panel';
import { StepsPanel } from './steps-panel';
import { TimelinePanel } from './timeline-panel';
import { useTimeline } from './use-timeline';

const route = getRouteApi('/stores/$storeId');

export function StorePage() {
  const { storeId } = route.useParams();
  const { uid = '' } = route.useSearch();
  useTitle(storeId);
  const { queries } = useApi();
  const store = useQuery(queries.store(storeId, uid));
  const timeline = useTimeline(store.data);

  if (store.data) return <StoreView store={store.data} timeline={timeline} />;
  if (store.error && problem(store.error).code === Code.NotFound) {
    return (
      <Empty title={`There is no store ${storeId}`}>
        <Anchor component={Link} to="/stores">
          All stores
        </Anchor>
      </Empty>
    );
  }
  if (store.error)
    return <ProblemAlert title="The store could not be read" error={store.error} onRetry={store.refetch} />;
  return <Loading />;
}

function StoreView({ store, timeline }: { store: Store; timeline: ReturnType<typeof useTimeline> }) {
  const mayChange = useMayChange();
  const events = timeline.data?.events ?? [];
  return (
    <Stack gap="lg">
      <Stack gap={6}>
        <Anchor component={Link} to="/stores" size="sm" w="max-content">
          Stores
        </Anchor>
        <Group justify="space-between" align="flex-start">
          <div>
            <Group gap="md">
              <Title order={1} size="h2" className="wrap">
                {store.displayName}
              </Title>
              <span role="status">
                <StateBadge state={store.state} />
              </span>
            </Group>
            <Group gap={4}>
              <Text className="mono dimmed">{store.storeId}</Text>
              <Copy text={store.storeId} what="id" />
            </Group>
          </div>
          <Actions store={store} mayChange={mayChange} />
        </Group>
      </Stack>
      {store.state === StoreState.DELETED && (
        <Alert color="gray" variant="outline" title="This store is deleted">
          Its namespace is gone with everything in it. What happened to it is kept below.
        </Alert>
      )}
      <FailureCard store={store} />
      <div className="store-grid">
        <Stack gap="lg">
          <StepsPanel store={store} events={events} loading={timeline.isPending} />
          <ResourcesPanel store={store} events={events} loading={timeline.isPending} />
        </Stack>
        <Stack gap="lg">
          <Facts store={store} />
          {mayChange && store.state !== StoreState.DELETED && <Credentials key={store.uid} store={store} />}
          <History store={store} />
        </Stack>
      </div>
      <TimelinePanel timeline={timeline} />
    </Stack>
  );
}

function Loading() {
  return (
    <Stack gap="lg" aria-busy>
      <Skeleton height={64} maw={420} />
      <div className="store-grid">
        <Skeleton height={340} />
        <Skeleton height={340} />
      </div>
    </Stack>
  );
}
