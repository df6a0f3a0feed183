import { Group, Text } from '@mantine/core';
import { words } from '@/format/words';
import { type Tenant, TenantState } from '@/gen/storeplane/v1/tenant_service_pb';
import { DeleteTenantAction } from './delete-tenant-action';
import { QuotasAction } from './quotas-action';
import { StateAction } from './state-action';

export interface TenantListProps {
  tenants: Tenant[] | undefined;
  /** True while the rows are those of the page before. */
  outdated: boolean;
}

export function TenantName({ tenant: { tenantId, displayName } }: { tenant: Tenant }) {
  return (
    <>
      <Text fw={600} className="wrap">
        {tenantId}
      </Text>
      {displayName !== tenantId && (
        <Text size="sm" className="dimmed wrap">
          {displayName}
        </Text>
      )}
    </>
  );
}

export function tenantState({ state }: Tenant): string {
  return words(TenantState[state] ?? 'unknown');
}

/** The plans that its new stores may have. */
export function plans({ effectiveQuotas }: Tenant): string {
  const names = effectiveQuotas?.plans ?? [];
  return names.includes('*') ? 'all' : names.join(', ');
}

export function TenantActions({ tenant }: { tenant: Tenant }) {
  return (
    <Group gap="xs" justify="flex-end" wrap="nowrap">
      <QuotasAction tenant={tenant} />
      <StateAction tenant={tenant} />
      <DeleteTenantAction tenant={tenant} />
    </Group>
  );
}
