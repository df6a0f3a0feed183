import { Table } from '@mantine/core';
import { ListTable } from '@/ui/list-table';
import { Ago } from '@/ui/time';
import { limitText } from './quota-draft';
import { plans, TenantActions, type TenantListProps, TenantName, tenantState } from './tenant-cells';

const COLUMNS = ['Tenant', 'State', 'Stores at most', 'Plans', 'Created', 'Actions'];

export function TenantsTable({ tenants, outdated }: TenantListProps) {
  return (
    <ListTable label="Tenants" columns={COLUMNS} rows={tenants} outdated={outdated}>
      {(tenant) => (
        <Table.Tr key={tenant.tenantId}>
          <Table.Td maw={280}>
            <TenantName tenant={tenant} />
          </Table.Td>
          <Table.Td>{tenantState(tenant)}</Table.Td>
          <Table.Td>{limitText(tenant.effectiveQuotas?.stores)}</Table.Td>
          <Table.Td>{plans(tenant)}</Table.Td>
          <Table.Td>
            <Ago time={tenant.createTime} />
          </Table.Td>
          <Table.Td>
            <TenantActions tenant={tenant} />
          </Table.Td>
        </Table.Tr>
      )}
    </ListTable>
  );
}
