import { timestampMs } from '@bufbuild/protobuf/wkt';
import { Button, Group, NativeSelect, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useApi } from '@/api/api';
import type { Store } from '@/gen/storeplane/v1/store_pb';
import type { ContainerLog, KubernetesEvent, StoreLogs } from '@/gen/storeplane/v1/store_service_pb';
import { Panel } from '@/ui/panel';
import { ProblemAlert } from '@/ui/problem-alert';
import { Ago, TimeOfDay } from '@/ui/time';

const TAILS = [100, 500] as const;

/** The last log lines of the store's containers, and what Kubernetes reported. Read on request. */
export function LogsPanel({ store }: { store: Store }) {
  const { queries } = useApi();
  const [isOpen, setIsOpen] = useState(false);
  const [tail, setTail] = useState<number>(TAILS[0]);
  const logs = useQuery({ ...queries.logs(store, tail), enabled: isOpen });
  return (
    <Panel
      title="Logs and Kubernetes events"
      aside={
        <Group gap="xs">
          {isOpen && (
            <NativeSelect
              size="xs"
              aria-label="Log lines"
              value={String(tail)}
              onChange={(event) => setTail(Number(event.currentTarget.value))}
              data={TAILS.map((lines) => ({ value: String(lines), label: `Last ${lines} lines` }))}
            />
          )}
          <Button
            size="xs"
            variant="default"
            loading={logs.isFetching}
            onClick={() => (isOpen ? void logs.refetch() : setIsOpen(true))}
          >
            {isOpen ? 'Refresh' : 'Show logs'}
          </Button>
        </Group>
      }
    >
      {!isOpen && (
        <Text size="sm" className="dimmed">
          Read from the cluster on request, with secrets masked. Reading is audited.
        </Text>
      )}
      {logs.error && <ProblemAlert title="The logs couldn't be read" error={logs.error} />}
      {logs.data && <LogsView logs={logs.data} />}
    </Panel>
  );
}

function LogsView({ logs }: { logs: StoreLogs }) {
  const [chosen, setChosen] = useState('');
  const log = logs.logs.find((each) => logName(each) === chosen) ?? logs.logs[0];
  return (
    <Stack gap="md" data-testid="logs">
      {log ? (
        <div>
          <Group gap="xs" mb={6}>
            <NativeSelect
              size="xs"
              aria-label="Container"
              value={logName(log)}
              onChange={(event) => setChosen(event.currentTarget.value)}
              data={logs.logs.map(logName)}
            />
            <Text size="xs" className="dimmed">
              Read at <TimeOfDay time={logs.time} />
            </Text>
          </Group>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard */}
          <section className="observed" tabIndex={0} aria-label={`Log of ${logName(log)}`}>
            {log.lines.join('\n') || 'The log is empty.'}
          </section>
        </div>
      ) : (
        <Text size="sm" className="dimmed">
          No container has written a log.
        </Text>
      )}
      <EventList events={logs.events} />
    </Stack>
  );
}

function logName({ pod, container, previous }: ContainerLog): string {
  return `${pod} / ${container}${previous ? ' (previous)' : ''}`;
}

function EventList({ events }: { events: KubernetesEvent[] }) {
  if (events.length === 0) {
    return (
      <Text size="sm" className="dimmed">
        Kubernetes has no events for this namespace.
      </Text>
    );
  }
  return (
    <ul className="plain kubernetes-events" aria-label="Kubernetes events">
      {events.map((event) => (
        <li key={`${event.object} ${event.reason} ${event.message} ${event.firstTime && timestampMs(event.firstTime)}`}>
          <Group justify="space-between" gap="xs">
            <Text size="sm" className="wrap">
              <b>{event.reason}</b> <span className="mono dimmed">{event.object}</span>
              {event.type === 'Warning' && <span className="warning"> Warning</span>}
            </Text>
            <Text size="xs" className="dimmed">
              <Ago time={event.lastTime} />
              {event.count > 1 && `, ${event.count} times`}
            </Text>
          </Group>
          <Text size="sm" className="dimmed wrap">
            {event.message}
          </Text>
        </li>
      ))}
    </ul>
  );
}
