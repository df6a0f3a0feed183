import { Skeleton, Table, Text, UnstyledButton } from '@mantine/core';
import { outcome, words } from '@/format/words';
import { type AuditEvent, AuditOutcome } from '@/gen/storeplane/v1/audit_pb';
import { AnchorLink } from '@/ui/link';
import { Ago } from '@/ui/time';

const COLORS: Record<AuditOutcome, string> = {
  [AuditOutcome.UNSPECIFIED]: 'gray',
  [AuditOutcome.ACCEPTED]: 'teal',
  [AuditOutcome.REJECTED]: 'yellow',
  [AuditOutcome.DENIED]: 'red',
};

/** Rows that stand there until the first answer. */
const WAITING = [1, 2, 3, 4, 5, 6, 7, 8];

interface Props {
  events: AuditEvent[] | undefined;
  onActor: (actor: string) => void;
}

export function AuditTable({ events, onActor }: Props) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls sideways must be reachable by keyboard
    <section className="scroll" aria-label="Audit log" tabIndex={0}>
      <Table className="table" verticalSpacing={4} aria-busy={!events}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>When</Table.Th>
            <Table.Th>Who</Table.Th>
            <Table.Th>What</Table.Th>
            <Table.Th>On</Table.Th>
            <Table.Th>Outcome</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {!events &&
            WAITING.map((row) => (
              <Table.Tr key={row}>
                <Table.Td colSpan={5}>
                  <Skeleton height={20} />
                </Table.Td>
              </Table.Tr>
            ))}
          {events?.map((event) => (
            <Row key={event.auditEventId} event={event} onActor={onActor} />
          ))}
        </Table.Tbody>
      </Table>
    </section>
  );
}

function Row({ event, onActor }: { event: AuditEvent; onActor: Props['onActor'] }) {
  return (
    <Table.Tr>
      <Table.Td>
        <Ago time={event.time} />
      </Table.Td>
      <Table.Td>
        <UnstyledButton fz="sm" onClick={() => onActor(event.actor)} title={`Only what ${event.actor} asked for`}>
          {event.actor}
        </UnstyledButton>
      </Table.Td>
      <Table.Td>{words(event.action)}</Table.Td>
      <Table.Td maw={260}>
        {event.storeUid ? (
          <AnchorLink
            to="/stores/$storeId"
            params={{ storeId: event.target }}
            search={{ uid: event.storeUid }}
            size="sm"
            className="mono"
            truncate
            display="block"
          >
            {event.target}
          </AnchorLink>
        ) : (
          <Text className="mono" truncate>
            {event.target || '–'}
          </Text>
        )}
      </Table.Td>
      <Table.Td>
        <span className="outcome">
          <span className="dot" style={{ background: `var(--mantine-color-${COLORS[event.outcome]}-6)` }} />
          {outcome(event.outcome)}
        </span>
        {event.reason && (
          <Text size="xs" className="dimmed">
            {words(event.reason)}
          </Text>
        )}
      </Table.Td>
    </Table.Tr>
  );
}
