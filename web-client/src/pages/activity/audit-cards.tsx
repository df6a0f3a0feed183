import { Group, Paper, Text, UnstyledButton } from '@mantine/core';
import { words } from '@/format/words';
import { ListCards } from '@/ui/list-cards';
import { Ago } from '@/ui/time';
import { AuditTarget, Outcome } from './audit-cells';
import { AuditDetails } from './audit-details';
import type { AuditListProps } from './audit-table';

/** The audit log on a phone. */
export function AuditCards({ events, outdated, onActor }: AuditListProps) {
  return (
    <ListCards label="Audit log" rows={events} outdated={outdated} height={84}>
      {(event) => (
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
      )}
    </ListCards>
  );
}
