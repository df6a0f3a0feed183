import { Group, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useApi } from '@/api/api';
import { useIsPlatformAdmin } from '@/session/caller';
import { PageTitle, useFocusRescue } from '@/ui/page-title';
import { PageButtons, usePageTokens } from '@/ui/page-tokens';
import { QueryProblem } from '@/ui/query-problem';
import { useIsNarrow } from '@/ui/use-is-narrow';
import { NewTenant } from './new-tenant';
import { TenantCards } from './tenant-cards';
import { TenantsTable } from './tenants-table';

/** All tenants, for platform administrators. */
export function TenantsPage() {
  const isPlatformAdmin = useIsPlatformAdmin();
  return (
    <Stack gap="md">
      <Group justify="space-between">
        <PageTitle tab="Tenants">Tenants</PageTitle>
        {isPlatformAdmin && <NewTenant />}
      </Group>
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
  const List = useIsNarrow() ? TenantCards : TenantsTable;
  // The row of a deleted tenant disappears with its buttons.
  const rescue = useFocusRescue();
  return (
    <>
      <QueryProblem title="The tenants couldn't be loaded" query={page} />
      <div {...rescue}>
        {(page.data || page.isPending) && <List tenants={page.data?.tenants} outdated={page.isPlaceholderData} />}
      </div>
      <PageButtons pages={pages} next={page.data?.nextPageToken} labels={{ previous: 'Previous', next: 'Next' }} />
    </>
  );
}
