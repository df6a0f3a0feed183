import { Checkbox, Group, NativeSelect, Paper, Stack, Text } from '@mantine/core';
import type { Store } from '@/gen/storeplane/v1/store_pb';
import { AnchorLink } from '@/ui/link';
import { ListCards } from '@/ui/list-cards';
import { StateBadge } from '@/ui/state-badge';
import { storeLink, storeNote } from '@/ui/store-link';
import { BackupMark, DriftMark, EnvironmentBadge, UpgradeMark } from '@/ui/store-marks';
import { Ago } from '@/ui/time';
import { ORDERS, type Order } from './search';
import { isSelectable, type Select } from './selection';
import type { ListProps } from './stores-table';

const ORDER_NAMES: Record<Order, string> = {
  'create_time desc': 'Newest first',
  create_time: 'Oldest first',
  store_id: 'ID, A to Z',
  'store_id desc': 'ID, Z to A',
};

/** The list on a phone. */
export function StoreCards({ stores, loading, outdated, order, onOrder, selection, onSelect }: ListProps) {
  return (
    <Stack gap="xs">
      <NativeSelect
        aria-label="Order"
        size="xs"
        w="max-content"
        value={order}
        onChange={(event) => onOrder(event.currentTarget.value as Order)}
        data={ORDERS.map((value) => ({ value, label: ORDER_NAMES[value] }))}
      />
      <ListCards label="Stores" rows={loading ? undefined : stores} outdated={outdated} height={96}>
        {(store) => <Card key={store.uid} store={store} selected={selection?.has(store.uid)} onSelect={onSelect} />}
      </ListCards>
    </Stack>
  );
}

function Card({ store, selected, onSelect }: { store: Store; selected: boolean | undefined; onSelect: Select }) {
  return (
    <Paper component="li" withBorder p="sm" data-store={store.storeId}>
      <Group gap="sm" wrap="nowrap" align="flex-start">
        {selected !== undefined && (
          <Checkbox
            mt={2}
            aria-label={`Select ${store.storeId}`}
            checked={selected}
            disabled={!isSelectable(store)}
            onChange={(event) => onSelect([store], event.currentTarget.checked)}
          />
        )}
        <Stack gap={2} miw={0} flex={1}>
          <AnchorLink {...storeLink(store)} fw={600} size="sm" className="wrap">
            {store.displayName}
          </AnchorLink>
          <Text className="mono dimmed wrap">{store.storeId}</Text>
          <Group gap="xs" justify="space-between">
            <Group gap="xs">
              <StateBadge state={store.state} reason={store.reason} />
              <EnvironmentBadge environment={store.environment} />
            </Group>
            <Text size="xs" className="dimmed">
              <Ago time={store.stateTime ?? store.createTime} />
            </Text>
          </Group>
          <Text size="xs" className="dimmed wrap">
            {storeNote(store)}
          </Text>
          <BackupMark conditions={store.conditions} />
          <DriftMark conditions={store.conditions} />
          <UpgradeMark availableUpgrade={store.availableUpgrade} />
        </Stack>
      </Group>
    </Paper>
  );
}
