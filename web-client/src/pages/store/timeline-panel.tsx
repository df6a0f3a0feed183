import { Button, Group, SegmentedControl, Text } from '@mantine/core';
import { useMemo, useState } from 'react';
import { withoutOldProgress } from '@/format/backup-progress';
import { date, fullDay } from '@/format/time';
import { reasonTitle, words } from '@/format/words';
import type { StoreEvent } from '@/gen/storeplane/v1/event_pb';
import { Empty } from '@/ui/empty';
import { Panel } from '@/ui/panel';
import { ProblemAlert } from '@/ui/problem-alert';
import { TimeOfDay } from '@/ui/time';
import { eventColor } from './event-color';
import type { useTimeline } from './use-timeline';

/** Events rendered at first. */
const SHOWN = 100;

const FILTERS = {
  all: () => true,
  steps: ({ type }: StoreEvent) => /^(STEP|STATE|UNDO|OPERATION|CANCEL|RELEASE|VERIFIED|BACKUP|RESTORE)/.test(type),
  resources: ({ type }: StoreEvent) => type === 'RESOURCE_CHANGED',
  problems: ({ type, details }: StoreEvent) =>
    details.reason !== undefined || /FAILED|WAITING|RETRIED|RELEASE/.test(type),
} as const;

type Filter = keyof typeof FILTERS;

/** The store's events, the newest first, by day. */
export function TimelinePanel({ timeline }: { timeline: ReturnType<typeof useTimeline> }) {
  const [filter, setFilter] = useState<Filter>('all');
  const [shown, setShown] = useState(SHOWN);
  const { events = [], complete = true } = timeline.data ?? {};
  const matching = useMemo(() => withoutOldProgress(events).filter(FILTERS[filter]).reverse(), [events, filter]);
  return (
    <Panel
      title="Timeline"
      mih={240}
      aside={
        <SegmentedControl
          size="xs"
          aria-label="Events"
          className="timeline-filter"
          value={filter}
          onChange={(value) => setFilter(value as Filter)}
          data={(Object.keys(FILTERS) as Filter[]).map((value) => ({ value, label: words(value) }))}
        />
      }
    >
      {timeline.error && (
        <ProblemAlert title="The events couldn't be loaded" error={timeline.error} onRetry={timeline.refetch} />
      )}
      {timeline.isSuccess && matching.length === 0 && <Empty title="No such events" />}
      <div data-testid="timeline">
        {byDay(matching.slice(0, shown)).map(([day, events]) => (
          <section key={day} aria-label={day}>
            <Text component="h3" size="xs" fw={600} className="dimmed day">
              {day}
            </Text>
            <ol className="timeline" reversed>
              {events.map((event) => (
                <EventLine key={String(event.sequence)} event={event} />
              ))}
            </ol>
          </section>
        ))}
      </div>
      <Group mt="sm">
        {matching.length > shown && (
          <Button size="xs" variant="default" onClick={() => setShown(shown + 5 * SHOWN)}>
            Show more
          </Button>
        )}
        {!complete && matching.length <= shown && (
          <Button size="xs" variant="default" onClick={() => void timeline.loadAll()}>
            Load older events
          </Button>
        )}
      </Group>
    </Panel>
  );
}

function byDay(events: StoreEvent[]): [string, StoreEvent[]][] {
  const dayOf = (event: StoreEvent) => {
    const at = date(event.time);
    return at ? fullDay(at) : '';
  };
  return [...Map.groupBy(events, dayOf)];
}

function EventLine({ event }: { event: StoreEvent }) {
  const { type, details, message } = event;
  return (
    <li className="fresh" data-sequence={String(event.sequence)} data-type={type}>
      <Text size="sm" className="dimmed" component="span">
        <TimeOfDay time={event.time} />
      </Text>
      <span className="dot" style={{ background: `var(--mantine-color-${eventColor(event)}-6)` }} />
      <div>
        <Text size="sm" className="wrap" fw={type === 'STATE_CHANGED' ? 600 : undefined}>
          {message}
        </Text>
        <Text size="xs" className="dimmed">
          {words(type)}
          {type === 'STATE_CHANGED' && details.state && `: ${words(details.state)}`}
          {details.reason && ` · ${reasonTitle(details.reason)}`}
        </Text>
      </div>
    </li>
  );
}
