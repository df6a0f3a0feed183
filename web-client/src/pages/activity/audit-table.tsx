import { Skeleton, Table, UnstyledButton } from '@mantine/core';
import { words } from '@/format/words';
import type { AuditEvent } from '@/gen/storeplane/v1/audit_pb';
import { Ago } from '@/ui/time';
import { AuditTarget, Outcome } from './audit-cells';

const PLACEHOLDERS = [1, 2, 3, 4, 5, 6, 7, 8];

export interface AuditListProps {
  events: AuditEvent[] | undefined;
  /** True while the rows are those of the filter before. */
  outdated: boolean;
  onActor: (actor: string) => void;
}

export function AuditTable({ events, outdated, onActor }: AuditListProps) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
    <section className="scroll" aria-label="Audit log" tabIndex={0}>
      <Table
        className="table"
        verticalSpacing={4}
        aria-busy={!events || outdated}
        data-outdated={outdated || undefined}
      >
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Time</Table.Th>
            <Table.Th>Actor</Table.Th>
            <Table.Th>Action</Table.Th>
            <Table.Th>Target</Table.Th>
            <Table.Th>Outcome</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {!events &&
            PLACEHOLDERS.map((row) => (
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

function Row({ event, onActor }: { event: AuditEvent; onActor: AuditListProps['onActor'] }) {
  const { actor, action, time } = event;
  return (
    <Table.Tr>
      <Table.Td>
        <Ago time={time} />
      </Table.Td>
      <Table.Td>
        <UnstyledButton fz="sm" onClick={() => onActor(actor)} title={`Show only ${actor}`}>
          {actor}
        </UnstyledButton>
      </Table.Td>
      <Table.Td>{words(action)}</Table.Td>
      <Table.Td maw={260}>
        <AuditTarget event={event} />
      </Table.Td>
      <Table.Td>
        <Outcome event={event} />
      </Table.Td>
    </Table.Tr>
  );
}
