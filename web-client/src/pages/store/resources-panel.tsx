import { Group, Skeleton, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { useApi } from '@/api/api';
import { problem } from '@/api/problem';
import { count, isSettled, kindName } from '@/format/words';
import { type Store, StoreState } from '@/gen/storeplane/v1/store_pb';
import type { StoreResource } from '@/gen/storeplane/v1/store_service_pb';
import { Panel } from '@/ui/panel';
import { Ago, TimeOfDay } from '@/ui/time';
import { resourceTree } from './resource-tree';

/** The store's Kubernetes objects as the cluster has them now. Where it can't be read, the last answer is dated and greyed. */
export function ResourcesPanel({ store }: { store: Store }) {
  const { queries } = useApi();
  const isDeleted = store.state === StoreState.DELETED;
  const { data, error, isPending } = useQuery({ ...queries.resources(store), enabled: !isDeleted });
  const tree = useMemo(() => resourceTree(data?.resources ?? []), [data]);
  const ready = data?.resources.filter((resource) => resource.ready).length ?? 0;
  return (
    <Panel
      title="Resources"
      mih={180}
      aside={
        data &&
        !isDeleted && (
          <Text size="sm" className="dimmed numbers">
            {ready} of {data.resources.length} ready, <TimeOfDay time={data.time} />
          </Text>
        )
      }
    >
      {isDeleted ? (
        <Note>Everything was removed with the namespace.</Note>
      ) : (
        <Stack gap="xs">
          {error && (
            <Text size="sm" role="status" data-testid="resources-outdated">
              {data ? 'Not current: ' : ''}
              {problem(error).message}
            </Text>
          )}
          {isPending && <Skeleton height={110} />}
          {data && tree.length === 0 && <Note>Nothing exists in the cluster.</Note>}
          <ul className="resources plain" data-outdated={error ? true : undefined}>
            {tree.map(({ resource, children }) => (
              <ResourceGroup
                key={`${resource.kind}/${resource.name}`}
                resources={[resource, ...children]}
                isMoving={!isSettled(store.state)}
              />
            ))}
          </ul>
        </Stack>
      )}
    </Panel>
  );
}

function Note({ children }: { children: string }) {
  return (
    <Text size="sm" className="dimmed">
      {children}
    </Text>
  );
}

function ResourceGroup({ resources, isMoving }: { resources: StoreResource[]; isMoving: boolean }) {
  return resources.map((resource, index) => (
    <ResourceLine key={resource.name} resource={resource} isMoving={isMoving} isChild={index > 0} />
  ));
}

interface LineProps {
  resource: StoreResource;
  isMoving: boolean;
  isChild: boolean;
}

function ResourceLine({ resource, isMoving, isChild }: LineProps) {
  const { kind, name, ready, status, message, restarts, createTime } = resource;
  return (
    <li data-child={isChild || undefined} data-resource={`${kind}/${name}`} data-ready={ready}>
      <span
        className="dot"
        data-busy={(!ready && isMoving) || undefined}
        style={{ background: `var(--mantine-color-${ready ? 'teal' : isMoving ? 'indigo' : 'red'}-6)` }}
      />
      <div>
        <Group gap={8} wrap="nowrap" miw={0}>
          <Text size="sm" className="nowrap">
            {kindName(kind)}
          </Text>
          <Text className="mono dimmed" truncate title={name}>
            {name}
          </Text>
        </Group>
        {message && (
          <Text size="xs" className="dimmed wrap">
            {message}
          </Text>
        )}
      </div>
      <Text component="div" size="sm" className="dimmed resource-status">
        <span>
          {status || (ready ? 'Ready' : 'Not ready')}
          {restarts > 0 && `, ${count(restarts, 'restart')}`}
        </span>
        <Ago time={createTime} />
      </Text>
    </li>
  );
}
