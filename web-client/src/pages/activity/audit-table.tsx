import { Table, UnstyledButton } from '@mantine/core';
import { words } from '@/format/words';
import type { AuditEvent } from '@/gen/storeplane/v1/audit_pb';
import { ListTable } from '@/ui/list-table';
import { Ago } from '@/ui/time';
import { AuditTarget, Outcome } from './audit-cells';
import { AuditDetails } from './audit-details';

const COLUMNS = ['Time', 'Actor', 'Action', 'Target', 'Address', 'Outcome', 'Details'];

export interface AuditListProps {
  events: AuditEvent[] | undefined;
  /** True while the rows are those of the filter before. */
  outdated: boolean;
  onActor: (actor: string) => void;
}

export function AuditTable({ events, outdated, onActor }: AuditListProps) {
  return (
    <ListTable label="Audit log" columns={COLUMNS} rows={events} outdated={outdated}>
      {(event) => <Row key={event.auditEventId} event={event} onActor={onActor} />}
    </ListTable>
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
      <Table.Td className="mono">{event.peer}</Table.Td>
      <Table.Td>
        <Outcome event={event} />
      </Table.Td>
      <Table.Td>
        <AuditDetails event={event} />
      </Table.Td>
    </Table.Tr>
  );
}
