import { Group, Paper, Text } from '@mantine/core';
import { ListCards } from '@/ui/list-cards';
import { Ago } from '@/ui/time';
import { limitText } from './quota-draft';
import { plans, TenantActions, type TenantListProps, TenantName, tenantState } from './tenant-cells';

/** The tenants on a phone. */
export function TenantCards({ tenants, outdated }: TenantListProps) {
  return (
    <ListCards label="Tenants" rows={tenants} outdated={outdated} height={136}>
      {(tenant) => (
        <Paper component="li" withBorder p="sm" key={tenant.tenantId}>
          <TenantName tenant={tenant} />
          <Group justify="space-between" gap="xs">
            <Text size="sm">{tenantState(tenant)}</Text>
            <Text size="xs" className="dimmed">
              <Ago time={tenant.createTime} />
            </Text>
          </Group>
          <Text size="xs" className="dimmed" mb="xs">
            Stores at most: {limitText(tenant.effectiveQuotas?.stores)}. Plans: {plans(tenant)}.
          </Text>
          <TenantActions tenant={tenant} />
        </Paper>
      )}
    </ListCards>
  );
}
