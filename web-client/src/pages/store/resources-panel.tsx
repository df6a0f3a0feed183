import { Group, Text } from '@mantine/core';
import { useMemo } from 'react';
import { isSettled, words } from '@/format/words';
import type { StoreEvent } from '@/gen/storeplane/v1/event_pb';
import { type Store, StoreState } from '@/gen/storeplane/v1/store_pb';
import { Panel } from '@/ui/panel';
import { isReady, type Resource, resourcesOf } from './resources';

const KINDS: Record<string, string> = { PersistentVolumeClaim: 'Volume claim' };

interface Props {
  store: Store;
  events: StoreEvent[];
  loading: boolean;
}

/** What helm made, as it becomes ready. */
export function ResourcesPanel({ store, events, loading }: Props) {
  const resources = useMemo(() => resourcesOf(events), [events]);
  const all = resources.flatMap((resource) => [resource, ...resource.children]);
  const gone = store.state === StoreState.DELETED;
  return (
    <Panel
      title="Resources"
      mih={180}
      aside={
        all.length > 0 && (
          <Text size="sm" className="dimmed numbers">
            {gone ? 'gone' : `${all.filter(isReady).length} of ${all.length} ready`}
          </Text>
        )
      }
    >
      {all.length === 0 || gone ? (
        <Text size="sm" className="dimmed">
          {gone && 'Everything was removed with its namespace.'}
          {!gone && !loading && 'They show up here once helm has made them.'}
        </Text>
      ) : (
        <ul className="resources plain">
          {resources.map((resource) => (
            <ResourceLines
              key={`${resource.kind} ${resource.name}`}
              resource={resource}
              waits={!isSettled(store.state)}
            />
          ))}
        </ul>
      )}
    </Panel>
  );
}

function ResourceLines({ resource, waits }: { resource: Resource; waits: boolean }) {
  return (
    <>
      <Line resource={resource} waits={waits} />
      {resource.children.map((child) => (
        <Line key={child.name} resource={child} waits={waits} child />
      ))}
    </>
  );
}

function Line({ resource, waits, child }: { resource: Resource; waits: boolean; child?: boolean }) {
  const ready = isReady(resource);
  return (
    <li data-child={child || undefined} data-resource={`${resource.kind} ${resource.name}`} data-ready={ready}>
      <span
        className="dot"
        data-busy={(!ready && waits) || undefined}
        style={{ background: `var(--mantine-color-${ready ? 'teal' : waits ? 'indigo' : 'red'}-6)` }}
      />
      <Group gap={8} wrap="nowrap" miw={0}>
        <Text size="sm" className="nowrap">
          {KINDS[resource.kind] ?? words(resource.kind.replace(/(?<=[a-z])(?=[A-Z])/g, '_'))}
        </Text>
        <Text className="mono dimmed" truncate title={resource.name}>
          {resource.name}
        </Text>
      </Group>
      <Text size="sm" className="numbers dimmed" truncate maw={220} title={resource.phase}>
        {resource.phase}
      </Text>
    </li>
  );
}
