import { Button, Group, Stack, Text } from '@mantine/core';
import { IconPlus } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useApi } from '@/api/api';
import { count } from '@/format/words';
import { useCanEdit } from '@/session/caller';
import { Empty } from '@/ui/empty';
import { PageTitle } from '@/ui/page-title';
import { QueryProblem } from '@/ui/query-problem';
import { useIsNarrow } from '@/ui/use-is-narrow';
import { Pages } from './pages';
import { RollOutVersion } from './roll-out-version';
import { filterOf, ORDERS, PAGE_SIZES, type StoresSearch } from './search';
import { resolveSelection, useSelection } from './selection';
import { SelectionBar } from './selection-bar';
import { StoreCards } from './store-cards';
import { StoresTable } from './stores-table';
import { Toolbar } from './toolbar';

const route = getRouteApi('/stores');

export function StoresPage() {
  const { queries } = useApi();
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const canEdit = useCanEdit();
  const { selection, select, clear } = useSelection();
  const isNarrow = useIsNarrow();
  const change = (part: Partial<StoresSearch>, replace = false) =>
    void navigate({ search: (before) => ({ ...before, page: undefined, ...part }), replace });

  const { size = PAGE_SIZES[0], order = ORDERS[0], page: pageToken = '' } = search;
  const filter = filterOf(search);
  const page = useQuery(queries.stores({ filter, orderBy: order, pageSize: size, pageToken }));
  const isFiltered = Boolean(search.q || search.show || search.engine);
  // Rows of another filter stay until the answer is there, and go if there is none.
  const data = page.error && page.isPlaceholderData ? undefined : page.data;
  const stores = data?.stores ?? [];
  const { selected, hidden } = resolveSelection(selection, stores);
  const List = isNarrow ? StoreCards : StoresTable;

  return (
    <Stack gap="md">
      <Group justify="space-between">
        <PageTitle tab="Stores">Stores</PageTitle>
        {canEdit && (
          <Button component={Link} to="/create" leftSection={<IconPlus size={16} aria-hidden />}>
            New store
          </Button>
        )}
      </Group>
      <Toolbar search={search} change={change} />
      <Group gap="md">
        <Text size="sm" className="dimmed numbers" role="status" data-testid="total" mih={20}>
          {data && !page.isPlaceholderData ? count(data.totalSize, 'store') : ' '}
        </Text>
        {canEdit && <RollOutVersion stores={stores} filter={filter} />}
      </Group>
      {canEdit && (
        <SelectionBar
          selected={selected}
          hidden={hidden}
          shown={stores}
          filter={filter}
          orderBy={order}
          total={Number(data?.totalSize ?? 0)}
          onSelect={select}
          onClear={clear}
        />
      )}
      <QueryProblem title="Stores couldn't be loaded" query={page} />
      {data && stores.length === 0 && !page.isPlaceholderData ? (
        <NoStores filtered={isFiltered} onReset={() => change({ q: undefined, show: undefined, engine: undefined })} />
      ) : (
        (data || page.isPending) && (
          <List
            stores={stores}
            loading={page.isPending}
            outdated={page.isPlaceholderData}
            order={order}
            onOrder={(order) => change({ order })}
            selection={canEdit ? selection : undefined}
            onSelect={select}
          />
        )
      )}
      {data && (
        <Pages
          list={`${order} ${filter}`}
          token={pageToken}
          next={page.isPlaceholderData ? '' : data.nextPageToken}
          size={size}
          total={Number(data.totalSize)}
          onPage={(token) => change({ page: token || undefined })}
          onSize={(size) => change({ size })}
        />
      )}
    </Stack>
  );
}

function NoStores({ filtered, onReset }: { filtered: boolean; onReset: () => void }) {
  const canEdit = useCanEdit();
  if (filtered) {
    return (
      <Empty title="No stores match">
        <Button variant="default" size="xs" mt="xs" onClick={onReset}>
          Show all stores
        </Button>
      </Empty>
    );
  }
  return (
    <Empty title="No stores yet">
      {canEdit && (
        <Button component={Link} to="/create" mt="xs">
          Create the first store
        </Button>
      )}
    </Empty>
  );
}
