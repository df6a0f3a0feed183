import { Anchor, Checkbox, Group, Skeleton, Table, Text, UnstyledButton } from '@mantine/core';
import { IconArrowDown, IconArrowsSort, IconArrowUp, IconExternalLink } from '@tabler/icons-react';
import { useNavigate } from '@tanstack/react-router';
import { memo } from 'react';
import { type Store, StoreState } from '@/gen/storeplane/v1/store_pb';
import { AnchorLink } from '@/ui/link';
import { StateBadge } from '@/ui/state-badge';
import { storeLink, storeNote } from '@/ui/store-link';
import { BackupMark, DriftMark, EnvironmentBadge, UpgradeMark } from '@/ui/store-marks';
import { Ago } from '@/ui/time';
import type { Order } from './search';
import { isSelectable, type Select, type Selection } from './selection';

export interface ListProps {
  stores: Store[];
  /** True until the first answer. */
  loading: boolean;
  /** True while the rows are those of the filter before. */
  outdated: boolean;
  order: Order;
  onOrder: (order: Order) => void;
  /** Absent where the caller may not change stores. */
  selection: Selection | undefined;
  onSelect: Select;
}

export function StoresTable({ stores, loading, outdated, order, onOrder, selection, onSelect }: ListProps) {
  const selectable = stores.filter(isSelectable);
  const selectedHere = selection ? selectable.filter((store) => selection.has(store.uid)).length : 0;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
    <section className="scroll" aria-label="Stores" tabIndex={0}>
      <Table
        className="table"
        highlightOnHover
        verticalSpacing={6}
        aria-busy={loading || outdated}
        data-outdated={outdated || undefined}
      >
        <Table.Thead>
          <Table.Tr>
            {selection && (
              <Table.Th w={40}>
                <Checkbox
                  aria-label="Select all on this page"
                  checked={selectedHere > 0 && selectedHere === selectable.length}
                  indeterminate={selectedHere > 0 && selectedHere < selectable.length}
                  onChange={(event) => onSelect(selectable, event.currentTarget.checked)}
                />
              </Table.Th>
            )}
            <Sortable label="Store" by={['store_id', 'store_id desc']} order={order} onOrder={onOrder} />
            <Table.Th>State</Table.Th>
            <Table.Th className="wide">Since</Table.Th>
            <Table.Th className="wide">Plan</Table.Th>
            <Sortable label="Created" by={['create_time desc', 'create_time']} order={order} onOrder={onOrder} />
            <Table.Th className="wide">Shop</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {loading && PLACEHOLDERS.map((row) => <Placeholder key={row} columns={selection ? 7 : 6} />)}
          {stores.map((store) => (
            <Row key={store.uid} store={store} selected={selection?.has(store.uid)} onSelect={onSelect} />
          ))}
        </Table.Tbody>
      </Table>
    </section>
  );
}

const PLACEHOLDERS = [1, 2, 3, 4, 5, 6, 7, 8];

interface RowProps {
  store: Store;
  selected: boolean | undefined;
  onSelect: Select;
}

const Row = memo(function Row({ store, selected, onSelect }: RowProps) {
  const navigate = useNavigate();
  const target = storeLink(store);
  return (
    <Table.Tr
      data-link
      data-store={store.storeId}
      onClick={(event) => {
        const onControl = (event.target as HTMLElement).closest('a, button, input, label');
        if (!onControl && !window.getSelection()?.toString()) void navigate(target);
      }}
    >
      {selected !== undefined && (
        <Table.Td>
          <Checkbox
            aria-label={`Select ${store.storeId}`}
            checked={selected}
            disabled={!isSelectable(store)}
            onChange={(event) => onSelect([store], event.currentTarget.checked)}
          />
        </Table.Td>
      )}
      <Table.Td maw={280}>
        <AnchorLink {...target} fw={600} size="sm" truncate display="block" title={store.displayName}>
          {store.displayName}
        </AnchorLink>
        <Text className="mono dimmed" truncate title={store.storeId}>
          {store.storeId}
        </Text>
      </Table.Td>
      <Table.Td>
        <Group gap="xs" wrap="nowrap">
          <StateBadge state={store.state} reason={store.reason} />
          <EnvironmentBadge environment={store.environment} />
        </Group>
        <Text size="xs" className="dimmed">
          {storeNote(store)}
        </Text>
        <BackupMark conditions={store.conditions} />
        <DriftMark conditions={store.conditions} />
        <UpgradeMark availableUpgrade={store.availableUpgrade} />
      </Table.Td>
      <Table.Td className="wide">
        <Ago time={store.stateTime ?? store.deleteTime} />
      </Table.Td>
      <Table.Td className="wide">
        <Text size="sm">{store.plan}</Text>
        <Text size="xs" className="dimmed">
          {store.engine}
        </Text>
      </Table.Td>
      <Table.Td>
        <Ago time={store.createTime} />
      </Table.Td>
      <Table.Td className="wide">
        {store.state === StoreState.READY && (
          <Anchor
            href={store.shopUrl}
            target="_blank"
            rel="noreferrer"
            size="sm"
            aria-label={`Open shop ${store.storeId}`}
          >
            Open <IconExternalLink size={14} aria-hidden />
          </Anchor>
        )}
      </Table.Td>
    </Table.Tr>
  );
});

interface SortableProps {
  label: string;
  by: [Order, Order];
  order: Order;
  onOrder: (order: Order) => void;
}

function Sortable({ label, by, order, onOrder }: SortableProps) {
  const [first, second] = by;
  const direction = order.endsWith('desc') ? 'descending' : 'ascending';
  const active = by.includes(order);
  const Icon = active ? (direction === 'descending' ? IconArrowDown : IconArrowUp) : IconArrowsSort;
  return (
    <Table.Th aria-sort={active ? direction : 'none'}>
      <UnstyledButton className="sort" onClick={() => onOrder(order === first ? second : first)}>
        {label} <Icon size={14} aria-hidden />
      </UnstyledButton>
    </Table.Th>
  );
}

function Placeholder({ columns }: { columns: number }) {
  return (
    <Table.Tr>
      <Table.Td colSpan={columns}>
        <Skeleton height={20} />
      </Table.Td>
    </Table.Tr>
  );
}
