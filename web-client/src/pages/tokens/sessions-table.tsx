import { Table } from '@mantine/core';
import { ListTable } from '@/ui/list-table';
import { Ago, Until } from '@/ui/time';
import { Browser, SessionAction, type SessionListProps, User } from './session-cells';

const COLUMNS = ['User', 'Role', 'Browser, address', 'Signed in', 'Last used', 'Ends', 'Actions'];

export function SessionsTable({ sessions, outdated, onDialog }: SessionListProps) {
  return (
    <ListTable label="Sessions" columns={COLUMNS} rows={sessions} outdated={outdated}>
      {(session) => (
        <Table.Tr key={session.sessionId}>
          <Table.Td maw={260}>
            <User session={session} />
          </Table.Td>
          <Table.Td>{session.role}</Table.Td>
          <Table.Td maw={220}>
            <Browser session={session} />
          </Table.Td>
          <Table.Td>
            <Ago time={session.createTime} />
          </Table.Td>
          <Table.Td>
            <Ago time={session.lastUseTime} />
          </Table.Td>
          <Table.Td>
            <Until time={session.expireTime} />
          </Table.Td>
          <Table.Td>
            <SessionAction session={session} onDialog={onDialog} />
          </Table.Td>
        </Table.Tr>
      )}
    </ListTable>
  );
}
