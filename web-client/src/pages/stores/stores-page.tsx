import { Button, Group, Stack, Text, Title } from '@mantine/core';
import { IconPlus } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useCallback, useState } from 'react';
import { useApi } from '@/api/api';
import { count } from '@/format/words';
import type { Store } from '@/gen/storeplane/v1/store_pb';
import { useMayChange } from '@/session/caller';
import { Empty } from '@/ui/empty';
import { ProblemAlert } from '@/ui/problem-alert';
import { useTitle } from '@/ui/title';
import { BulkDelete } from './bulk-delete';
import { Pages } from './pages';
import { filterOf, ORDERS, PAGE_SIZES, type StoresSearch } from './search';
import { StoresTable } from './stores-table';
import { Toolbar } from './toolbar';

const route = getRouteApi('/stores');

export function StoresPage() {
  useTitle('Stores');
  const { queries } = useApi();
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const mayChange = useMayChange();
  const [chosen, setChosen] = useState<ReadonlyMap<string, Store>>(new Map());
  const choose = useCallback((some: Store[], on: boolean) => {
    setChosen((before) => {
      const next = new Map(before);
      for (const store of some) on ? next.set(store.uid, store) : next.delete(store.uid);
      return next;
    });
  }, []);
  const change = (part: Partial<StoresSearch>, replace = false) =>
    void navigate({ search: (before) => ({ ...before, page: undefined, ...part }), replace });

  const page = useQuery(
    queries.stores({
      filter: filterOf(search),
      orderBy: search.order ?? ORDERS[0],
      pageSize: search.size ?? PAGE_SIZES[0],
      pageToken: search.page ?? '',
    }),
  );
  const isFiltered = Boolean(search.q || search.show || search.engine);
  const stores = page.data?.stores ?? [];

  return (
    <Stack gap="md">
      <Group justify="space-between">
        <Title order={1} size="h2">
          Stores
        </Title>
        {mayChange && (
          <Button component={Link} to="/create" leftSection={<IconPlus size={16} aria-hidden />}>
            New store
          </Button>
        )}
      </Group>
      <Toolbar search={search} change={change} />
      <Group justify="space-between" mih={36}>
        <Text size="sm" className="dimmed numbers" role="status" data-testid="total">
          {page.data ? count(page.data.totalSize, 'store') : ' '}
        </Text>
        {mayChange && chosen.size > 0 && (
          <BulkDelete stores={[...chosen.values()]} onDone={() => setChosen(new Map())} />
        )}
      </Group>
      {page.error && <ProblemAlert title="The stores could not be read" error={page.error} onRetry={page.refetch} />}
      {page.data && stores.length === 0 ? (
        <Nothing filtered={isFiltered} onClear={() => change({ q: undefined, show: undefined, engine: undefined })} />
      ) : (
        !page.error && (
          <StoresTable
            stores={stores}
            loading={page.isPending}
            order={search.order ?? ORDERS[0]}
            onOrder={(order) => change({ order })}
            chosen={mayChange ? chosen : undefined}
            onChoose={choose}
          />
        )
      )}
      {page.data && (
        <Pages
          token={search.page ?? ''}
          next={page.data.nextPageToken}
          size={search.size ?? PAGE_SIZES[0]}
          total={Number(page.data.totalSize)}
          onPage={(token) => change({ page: token || undefined })}
          onSize={(size) => change({ size })}
        />
      )}
    </Stack>
  );
}

function Nothing({ filtered, onClear }: { filtered: boolean; onClear: () => void }) {
  const mayChange = useMayChange();
  if (filtered) {
    return (
      <Empty title="No store matches">
        <Button variant="default" size="xs" mt="xs" onClick={onClear}>
          Show all stores
        </Button>
      </Empty>
    );
  }
  return (
    <Empty title="There is no store yet">
      {mayChange ? (
        <Button component={Link} to="/create" mt="xs">
          Create the first one
        </Button>
      ) : (
        'Whoever may create stores has not created any.'
      )}
    </Empty>
  );
}
