import { Code } from '@connectrpc/connect';
import { Anchor, Group, Skeleton, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useApi } from '@/api/api';
import { problem } from '@/api/problem';
import { type Store, StoreState } from '@/gen/storeplane/v1/store_pb';
import { useCanEdit } from '@/session/caller';
import { Copy } from '@/ui/copy';
import { PageTitle } from '@/ui/page-title';
import { ProblemAlert } from '@/ui/problem-alert';
import { QueryProblem } from '@/ui/query-problem';
import { StateBadge } from '@/ui/state-badge';
import { EnvironmentBadge } from '@/ui/store-marks';
import { LazyBackupsPanel } from '../backups/lazy-backups';
import { LazyRevisionsPanel } from '../settings/lazy-settings';
import { AccessPanel } from './access-panel';
import { Actions } from './actions';
import { DetailsPanel } from './details-panel';
import { FailureCard } from './failure-card';
import { LogsPanel } from './logs-panel';
import { OperationsPanel } from './operations-panel';
import { ResourcesPanel } from './resources-panel';
import { BackupLine, DriftNotice, StateLine, StateNotice } from './state-banner';
import { StepsPanel } from './steps-panel';
import { operationOf, runningOperation } from './summary';
import { TimelinePanel } from './timeline-panel';
import { useTimeline } from './use-timeline';

const route = getRouteApi('/stores/$storeId');

export function StorePage() {
  const { storeId } = route.useParams();
  const { uid = '' } = route.useSearch();
  const { queries } = useApi();
  const store = useQuery(queries.store(storeId, uid));

  if (store.data) {
    return (
      <Stack gap="lg">
        <QueryProblem title="The store couldn't be loaded" query={store} />
        <StoreView key={store.data.uid} store={store.data} />
      </Stack>
    );
  }
  if (!store.error) return <Loading />;
  const isMissing = problem(store.error).code === Code.NotFound;
  return (
    <Stack gap="lg">
      <PageTitle tab={storeId}>{isMissing ? `Store ${storeId} not found` : storeId}</PageTitle>
      {isMissing ? (
        <Anchor component={Link} to="/stores">
          All stores
        </Anchor>
      ) : (
        <ProblemAlert title="The store couldn't be loaded" error={store.error} onRetry={store.refetch} />
      )}
    </Stack>
  );
}

function StoreView({ store }: { store: Store }) {
  const { queries } = useApi();
  const canEdit = useCanEdit();
  const timeline = useTimeline(store);
  const events = timeline.data?.events ?? [];
  const listed = useQuery(queries.operations(store.storeId)).data?.operations ?? [];
  // An earlier store of the same ID has operations too.
  const operations = listed.filter(({ storeUid }) => storeUid === store.uid);
  const running = runningOperation(store, operations);
  return (
    <Stack gap="lg">
      <Stack gap={6}>
        <Anchor component={Link} to="/stores" size="sm" w="max-content">
          Stores
        </Anchor>
        <Group justify="space-between" align="flex-start">
          <div>
            <Group gap="md">
              <PageTitle tab={store.storeId}>{store.displayName}</PageTitle>
              <span role="status">
                <StateBadge state={store.state} reason={store.reason} />
              </span>
              <EnvironmentBadge environment={store.environment} />
            </Group>
            <Group gap={4} wrap="nowrap">
              <Text className="mono dimmed wrap">{store.storeId}</Text>
              <Copy text={store.storeId} what="ID" />
            </Group>
            <StateLine store={store} operations={operations} events={events} />
            <BackupLine running={running} events={events} />
          </div>
          <Actions store={store} operations={operations} canEdit={canEdit} />
        </Group>
      </Stack>
      <StateNotice store={store} events={events} />
      <DriftNotice store={store} />
      <FailureCard store={store} />
      <div className="store-grid">
        <Stack gap="lg">
          <StepsPanel
            store={store}
            operation={operationOf(store, operations)}
            events={events}
            loading={timeline.isPending}
          />
          <ResourcesPanel store={store} />
        </Stack>
        <Stack gap="lg">
          <AccessPanel store={store} canEdit={canEdit} isBusy={running !== undefined} />
          <DetailsPanel store={store} operations={operations} canEdit={canEdit} />
          <OperationsPanel operations={operations} />
        </Stack>
      </div>
      <LazyBackupsPanel store={store} running={running} canEdit={canEdit} />
      <LazyRevisionsPanel store={store} operations={operations} running={running} canEdit={canEdit} />
      {canEdit && store.state !== StoreState.DELETED && <LogsPanel store={store} />}
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
