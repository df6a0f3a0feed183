import { Group, Paper, Skeleton, Text, UnstyledButton } from '@mantine/core';
import { words } from '@/format/words';
import { Ago } from '@/ui/time';
import { AuditTarget, Outcome } from './audit-cells';
import { AuditDetails } from './audit-details';
import type { AuditListProps } from './audit-table';

/** The audit log on a phone. */
export function AuditCards({ events, outdated, onActor }: AuditListProps) {
  return (
    <ul
      className="plain cards"
      aria-label="Audit log"
      aria-busy={!events || outdated}
      data-outdated={outdated || undefined}
    >
      {!events && [1, 2, 3, 4, 5].map((card) => <Skeleton key={card} component="li" height={84} />)}
      {events?.map((event) => (
        <Paper component="li" withBorder p="sm" key={event.auditEventId}>
          <Group justify="space-between" gap="xs">
            <Text size="sm" fw={600}>
              {words(event.action)}
            </Text>
            <Text size="xs" className="dimmed">
              <Ago time={event.time} />
            </Text>
          </Group>
          <AuditTarget event={event} />
          <Group justify="space-between" gap="xs">
            <UnstyledButton fz="sm" onClick={() => onActor(event.actor)} title={`Show only ${event.actor}`}>
              {event.actor}
            </UnstyledButton>
            <Text size="xs" className="mono">
              {event.peer}
            </Text>
            <Group gap="xs">
              <Outcome event={event} />
              <AuditDetails event={event} />
            </Group>
          </Group>
        </Paper>
      ))}
    </ul>
  );
}
