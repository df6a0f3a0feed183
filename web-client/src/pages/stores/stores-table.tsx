import { Anchor, Checkbox, Skeleton, Table, Text, UnstyledButton } from '@mantine/core';
import { IconArrowDown, IconArrowsSort, IconArrowUp, IconExternalLink } from '@tabler/icons-react';
import { useNavigate } from '@tanstack/react-router';
import { memo } from 'react';
import { date, span } from '@/format/time';
import { words } from '@/format/words';
import { type Store, StoreState } from '@/gen/storeplane/v1/store_pb';
import { AnchorLink } from '@/ui/link';
import { StateBadge } from '@/ui/state-badge';
import { Ago } from '@/ui/time';
import type { Order } from './search';

interface Props {
  stores: Store[];
  loading: boolean;
  order: Order;
  onOrder: (order: Order) => void;
  /** The stores that are chosen, by uid. Absent where the caller can do nothing with them. */
  chosen: ReadonlyMap<string, Store> | undefined;
  onChoose: Choose;
}

/** Chooses some stores, or lets go of them. */
export type Choose = (stores: Store[], on: boolean) => void;

export function StoresTable({ stores, loading, order, onOrder, chosen, onChoose }: Props) {
  const choosable = stores.filter(isChoosable);
  const chosenHere = chosen ? choosable.filter((store) => chosen.has(store.uid)).length : 0;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls sideways must be reachable by keyboard
    <section className="scroll" aria-label="Stores" tabIndex={0}>
      <Table className="table" highlightOnHover verticalSpacing={6} aria-busy={loading}>
        <Table.Thead>
          <Table.Tr>
            {chosen && (
              <Table.Th w={40}>
                <Checkbox
                  aria-label="Choose all on this page"
                  checked={chosenHere > 0 && chosenHere === choosable.length}
                  indeterminate={chosenHere > 0 && chosenHere < choosable.length}
                  onChange={(event) => onChoose(choosable, event.currentTarget.checked)}
                />
              </Table.Th>
            )}
            <Sortable label="Store" by={['store_id', 'store_id desc']} order={order} onOrder={onOrder} />
            <Table.Th>State</Table.Th>
            <Table.Th className="wide">Plan</Table.Th>
            <Sortable label="Created" by={['create_time desc', 'create_time']} order={order} onOrder={onOrder} />
            <Table.Th className="wide">Ready in</Table.Th>
            <Table.Th className="wide">Shop</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {loading && WAITING.map((row) => <Waiting key={row} columns={chosen ? 7 : 6} />)}
          {stores.map((store) => (
            <Row key={store.uid} store={store} chosen={chosen?.has(store.uid)} onChoose={onChoose} />
          ))}
        </Table.Tbody>
      </Table>
    </section>
  );
}

/** Rows that stand there until the first answer. */
const WAITING = [1, 2, 3, 4, 5, 6, 7, 8];

interface RowProps {
  store: Store;
  chosen: boolean | undefined;
  onChoose: Choose;
}

const Row = memo(function Row({ store, chosen, onChoose }: RowProps) {
  const navigate = useNavigate();
  const target = linkTo(store);
  return (
    <Table.Tr
      data-link
      data-store={store.storeId}
      onClick={(event) => {
        const onControl = (event.target as HTMLElement).closest('a, button, input, label');
        if (!onControl && !window.getSelection()?.toString()) void navigate(target);
      }}
    >
      {chosen !== undefined && (
        <Table.Td>
          <Checkbox
            aria-label={`Choose ${store.storeId}`}
            checked={chosen}
            disabled={!isChoosable(store)}
            onChange={(event) => onChoose([store], event.currentTarget.checked)}
          />
        </Table.Td>
      )}
      <Table.Td maw={280}>
        <AnchorLink {...target} fw={600} size="sm" truncate display="block">
          {store.displayName}
        </AnchorLink>
        <Text className="mono dimmed" truncate>
          {store.storeId}
        </Text>
      </Table.Td>
      <Table.Td>
        <StateBadge state={store.state} />
        {(store.reason || store.step) && (
          <Text size="xs" className="dimmed">
            {words(store.reason || store.step)}
          </Text>
        )}
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
      <Table.Td className="wide numbers">{readyIn(store)}</Table.Td>
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

function isChoosable({ state }: Store): boolean {
  return state !== StoreState.DELETED;
}

function Sortable({
  label,
  by,
  order,
  onOrder,
}: { label: string; by: [Order, Order] } & Pick<Props, 'order' | 'onOrder'>) {
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

function Waiting({ columns }: { columns: number }) {
  return (
    <Table.Tr>
      <Table.Td colSpan={columns}>
        <Skeleton height={20} />
      </Table.Td>
    </Table.Tr>
  );
}

/** A store's page. A deleted one is asked for by its uid: its id may be another store's by now. */
function linkTo({ storeId, uid, state }: Store) {
  return {
    to: '/stores/$storeId',
    params: { storeId },
    search: state === StoreState.DELETED ? { uid } : {},
  } as const;
}

function readyIn({ createTime, readyTime }: Store): string {
  const [created, ready] = [date(createTime), date(readyTime)];
  return created && ready ? span((ready.getTime() - created.getTime()) / 1000) : '–';
}
