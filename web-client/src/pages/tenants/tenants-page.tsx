import { Group, Stack, Table, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useApi } from '@/api/api';
import { words } from '@/format/words';
import { type Tenant, TenantState } from '@/gen/storeplane/v1/tenant_service_pb';
import { useIsPlatformAdmin } from '@/session/caller';
import { ListTable } from '@/ui/list-table';
import { PageTitle } from '@/ui/page-title';
import { PageButtons, usePageTokens } from '@/ui/page-tokens';
import { QueryProblem } from '@/ui/query-problem';
import { Ago } from '@/ui/time';
import { NewTenant } from './new-tenant';
import { limitText } from './quota-draft';
import { QuotasAction } from './quotas-action';
import { StateAction } from './state-action';

const COLUMNS = ['Tenant', 'State', 'Stores at most', 'Plans', 'Created', 'Actions'];

/** All tenants, for platform administrators. */
export function TenantsPage() {
  const isPlatformAdmin = useIsPlatformAdmin();
  return (
    <Stack gap="md">
      <PageTitle tab="Tenants">Tenants</PageTitle>
      {isPlatformAdmin === false ? (
        <Text>You don't have permission to see tenants. It needs the role platform_admin.</Text>
      ) : (
        isPlatformAdmin && <Tenants />
      )}
    </Stack>
  );
}

function Tenants() {
  const { queries } = useApi();
  const pages = usePageTokens('');
  const page = useQuery(queries.tenants({ pageToken: pages.token }));
  return (
    <>
      <Group justify="flex-end">
        <NewTenant />
      </Group>
      <QueryProblem title="The tenants couldn't be loaded" query={page} />
      {(page.data || page.isPending) && (
        <ListTable label="Tenants" columns={COLUMNS} rows={page.data?.tenants} outdated={page.isPlaceholderData}>
          {(tenant) => <Row key={tenant.tenantId} tenant={tenant} />}
        </ListTable>
      )}
      <PageButtons pages={pages} next={page.data?.nextPageToken} labels={{ previous: 'Previous', next: 'Next' }} />
    </>
  );
}

function Row({ tenant }: { tenant: Tenant }) {
  const { tenantId, displayName, state, effectiveQuotas, createTime } = tenant;
  const plans = effectiveQuotas?.plans ?? [];
  return (
    <Table.Tr>
      <Table.Td maw={280}>
        <Text fw={600}>{tenantId}</Text>
        {displayName !== tenantId && (
          <Text size="sm" className="dimmed">
            {displayName}
          </Text>
        )}
      </Table.Td>
      <Table.Td>{words(TenantState[state] ?? 'unknown')}</Table.Td>
      <Table.Td>{limitText(effectiveQuotas?.stores)}</Table.Td>
      <Table.Td>{plans.includes('*') ? 'all' : plans.join(', ')}</Table.Td>
      <Table.Td>
        <Ago time={createTime} />
      </Table.Td>
      <Table.Td>
        <Group gap="xs" justify="flex-end" wrap="nowrap">
          <QuotasAction tenant={tenant} />
          <StateAction tenant={tenant} />
        </Group>
      </Table.Td>
    </Table.Tr>
  );
}
