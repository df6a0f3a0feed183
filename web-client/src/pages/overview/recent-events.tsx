import { Group, Text } from '@mantine/core';
import type { StoreEvent } from '@/gen/storeplane/v1/event_pb';
import { AnchorLink } from '@/ui/link';
import { Panel } from '@/ui/panel';
import { Ago } from '@/ui/time';
import { eventColor } from '../store/event-color';

/** The latest state changes, live. */
export function RecentEvents({ events }: { events: StoreEvent[] }) {
  const changes = events.filter(({ type }) => type === 'STATE_CHANGED');
  return (
    <Panel title="Recent events" mih={320}>
      {changes.length === 0 && (
        <Text size="sm" className="dimmed">
          No recent state changes
        </Text>
      )}
      <ol className="recent plain" data-testid="recent">
        {changes.map((event) => (
          <li key={`${event.uid} ${event.sequence}`} className="fresh">
            <Group justify="space-between" wrap="nowrap" align="baseline">
              <Group gap={8} wrap="nowrap" miw={0}>
                <span className="dot" style={{ background: `var(--mantine-color-${eventColor(event)}-6)` }} />
                <AnchorLink
                  to="/stores/$storeId"
                  params={{ storeId: event.storeId }}
                  search={{ uid: event.uid }}
                  size="sm"
                  truncate
                >
                  {event.storeId}
                </AnchorLink>
              </Group>
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
