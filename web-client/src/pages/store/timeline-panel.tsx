import { Button, Group, SegmentedControl, Text } from '@mantine/core';
import { useMemo, useState } from 'react';
import { words } from '@/format/words';
import type { StoreEvent } from '@/gen/storeplane/v1/event_pb';
import { Empty } from '@/ui/empty';
import { Panel } from '@/ui/panel';
import { ProblemAlert } from '@/ui/problem-alert';
import { Clock } from '@/ui/time';
import type { useTimeline } from './use-timeline';

/** Events drawn at first; more are a click away. */
const SHOWN = 100;

const FILTERS = {
  all: () => true,
  steps: ({ type }: StoreEvent) => /^(STEP|STATE|UNDO|OPERATION|CANCEL|RELEASE|VERIFIED)/.test(type),
  resources: ({ type }: StoreEvent) => type === 'RESOURCE_CHANGED',
  trouble: ({ type, details }: StoreEvent) =>
    details.reason !== undefined || /FAILED|WAITING|RETRIED|RELEASE/.test(type),
} as const;

type Filter = keyof typeof FILTERS;

/** What happened, the newest first. */
export function TimelinePanel({ timeline }: { timeline: ReturnType<typeof useTimeline> }) {
  const [filter, setFilter] = useState<Filter>('all');
  const [shown, setShown] = useState(SHOWN);
  const { events = [], whole = true } = timeline.data ?? {};
  const matching = useMemo(() => events.filter(FILTERS[filter]).reverse(), [events, filter]);
  return (
    <Panel
      title="What happened"
      mih={240}
      aside={
        <SegmentedControl
          size="xs"
          aria-label="Which events"
          value={filter}
          onChange={(value) => setFilter(value as Filter)}
          data={(Object.keys(FILTERS) as Filter[]).map((value) => ({ value, label: words(value) }))}
        />
      }
    >
      {timeline.error && (
        <ProblemAlert title="The events could not be read" error={timeline.error} onRetry={timeline.refetch} />
      )}
      {timeline.isSuccess && matching.length === 0 && <Empty title="Nothing of that kind" />}
      <ol className="timeline" data-testid="timeline" reversed>
        {matching.slice(0, shown).map((event) => (
          <EventLine key={String(event.sequence)} event={event} />
        ))}
      </ol>
      <Group mt="sm">
        {matching.length > shown && (
          <Button size="xs" variant="default" onClick={() => setShown(shown + 5 * SHOWN)}>
            Show more
          </Button>
        )}
        {!whole && matching.length <= shown && (
          <Button size="xs" variant="default" onClick={() => void timeline.showAll()}>
            Read older events
          </Button>
        )}
      </Group>
    </Panel>
  );
}

const MARKS: readonly [RegExp, string][] = [
  [/FAILED/, 'red'],
  [/WAITING|RETRIED|CANCEL|UNDO|RELEASE|RESUMED|CAUSE|RENEWED/, 'yellow'],
  [/SUCCEEDED|VERIFIED/, 'teal'],
  [/STATE/, 'indigo'],
];

function EventLine({ event }: { event: StoreEvent }) {
  const failed = event.details.state === 'FAILED';
  const ready = event.details.state === 'READY';
  const mark = failed ? 'red' : ready ? 'teal' : (MARKS.find(([pattern]) => pattern.test(event.type))?.[1] ?? 'gray');
  return (
    <li className="fresh" data-sequence={String(event.sequence)} data-type={event.type}>
      <Text size="sm" className="dimmed" component="span">
        <Clock time={event.time} />
      </Text>
      <span className="dot" style={{ background: `var(--mantine-color-${mark}-6)` }} />
      <div>
        <Text size="sm" className="wrap" fw={event.type === 'STATE_CHANGED' ? 600 : undefined}>
          {event.message}
        </Text>
        <Text size="xs" className="dimmed">
          {words(event.type)}
          {event.details.reason && ` · ${words(event.details.reason)}`}
        </Text>
      </div>
    </li>
  );
}
