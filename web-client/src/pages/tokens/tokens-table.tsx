import { Table } from '@mantine/core';
import { ListTable } from '@/ui/list-table';
import { TokenActions } from './token-actions';
import { Created, Expiry, LastUse, RoleAndScope, State, type TokenListProps, TokenName } from './token-cells';

const COLUMNS = ['Name', 'Role, stores', 'State', 'Created', 'Last used', 'Expires', 'Actions'];

export function TokensTable({ tokens, outdated, onDialog }: TokenListProps) {
  return (
    <ListTable label="Tokens" columns={COLUMNS} rows={tokens} outdated={outdated}>
      {(token) => (
        <Table.Tr key={token.tokenId}>
          <Table.Td maw={240}>
            <TokenName token={token} />
          </Table.Td>
          <Table.Td maw={180}>
            <RoleAndScope token={token} />
          </Table.Td>
          <Table.Td>
            <State token={token} />
          </Table.Td>
          <Table.Td maw={180}>
            <Created token={token} />
          </Table.Td>
          <Table.Td className="nowrap">
            <LastUse token={token} />
          </Table.Td>
          <Table.Td className="nowrap">
            <Expiry token={token} />
          </Table.Td>
          <Table.Td>
            <TokenActions token={token} onDialog={onDialog} />
          </Table.Td>
        </Table.Tr>
      )}
    </ListTable>
  );
}
