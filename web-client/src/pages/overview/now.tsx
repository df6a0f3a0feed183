import { Group, Progress, Stack, Text } from '@mantine/core';
import { operationKind, stepTitle, words } from '@/format/words';
import type { StoreEvent } from '@/gen/storeplane/v1/event_pb';
import { type Operation, OperationState } from '@/gen/storeplane/v1/operation_pb';
import type { QuotaUse } from '@/gen/storeplane/v1/platform_pb';
import { AnchorLink } from '@/ui/link';
import { Panel } from '@/ui/panel';
import { Ago, Counting } from '@/ui/time';

/** Operations that wait or are at work. */
export function GoingOn({ operations, total }: { operations: Operation[]; total: bigint }) {
  const more = Number(total) - operations.length;
  return (
    <Panel title="Going on" mih={140}>
      {operations.length === 0 && (
        <Text size="sm" className="dimmed">
          Nothing just now.
        </Text>
      )}
      <Stack component="ul" gap="sm" className="plain" data-testid="going-on">
        {operations.map((operation) => (
          <li key={operation.operationId}>
            <Group justify="space-between" wrap="nowrap">
              <AnchorLink to="/stores/$storeId" params={{ storeId: operation.storeId }} size="sm" truncate>
                {operation.storeId}
              </AnchorLink>
              <Text size="sm" className="dimmed numbers">
                {operation.createTime && <Counting since={operation.createTime} />}
              </Text>
            </Group>
            <Text size="xs" className="dimmed">
              {operationKind(operation.kind)} ·{' '}
              {operation.state === OperationState.PENDING ? 'waits for a worker' : stepTitle(operation.step)}
              {operation.reason && ` · ${words(operation.reason)}`}
            </Text>
          </li>
        ))}
      </Stack>
      {more > 0 && (
        <Text size="sm" className="dimmed" mt="sm">
          and {more.toLocaleString()} more
        </Text>
      )}
    </Panel>
  );
}

/** What is used of what may be; only limits that there are. */
export function Quotas({ quotas }: { quotas: QuotaUse[] }) {
  const limited = quotas.filter(({ limit }) => limit > 0n);
  if (limited.length === 0) return null;
  return (
    <Panel title="Quota">
      <Stack gap="sm">
        {limited.map(({ name, used, limit }) => (
          <div key={name}>
            <Group justify="space-between">
              <Text size="sm">{words(name)}</Text>
              <Text size="sm" className="numbers">
                {used.toLocaleString()} of {limit.toLocaleString()}
              </Text>
            </Group>
            <Progress value={(Number(used) / Number(limit)) * 100} aria-label={words(name)} />
          </div>
        ))}
      </Stack>
    </Panel>
  );
}

/** The last things that happened, as they happen. */
export function RecentEvents({ events }: { events: StoreEvent[] }) {
  return (
    <Panel title="Last events" mih={320}>
      <ol className="recent plain" data-testid="recent">
        {events.map((event) => (
          <li key={`${event.uid} ${event.sequence}`} className="fresh">
            <Group justify="space-between" wrap="nowrap" align="baseline">
              <AnchorLink
                to="/stores/$storeId"
                params={{ storeId: event.storeId }}
                search={{ uid: event.uid }}
                size="sm"
                truncate
              >
                {event.storeId}
              </AnchorLink>
              <Text size="xs" className="dimmed">
                <Ago time={event.time} />
              </Text>
            </Group>
            <Text size="sm" className="dimmed wrap" lineClamp={2}>
              {event.message}
            </Text>
          </li>
        ))}
      </ol>
    </Panel>
  );
}
