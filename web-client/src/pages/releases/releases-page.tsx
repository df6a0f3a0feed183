import { Button, Group, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { useApi } from '@/api/api';
import { count } from '@/format/words';
import { ReleaseScope } from '@/gen/storeplane/v1/platform_pb';
import { SEARCH_FIELD } from '@/layout/shortcuts';
import { ChoiceFilter } from '@/ui/choice-filter';
import { DebouncedInput } from '@/ui/debounced-input';
import { Empty } from '@/ui/empty';
import { PageTitle } from '@/ui/page-title';
import { PageButtons, usePageTokens } from '@/ui/page-tokens';
import { QueryProblem } from '@/ui/query-problem';
import { useIsNarrow } from '@/ui/use-is-narrow';
import { ReleaseCards } from './release-cards';
import { ReleasesTable } from './releases-table';
import { OWNERSHIPS, type ReleasesSearch, releasesFilter, STATUSES } from './search';

const route = getRouteApi('/releases');
/** No event tells that another program's release changed. */
const REFETCH_MS = 15_000;

const SCOPES: Record<ReleaseScope, string> = {
  [ReleaseScope.UNSPECIFIED]: '',
  [ReleaseScope.CLUSTER]: 'Every helm release in the cluster, and to whom it belongs.',
  [ReleaseScope.NAMESPACED]: "The helm releases in the namespaces of stores; the server can't see others.",
  [ReleaseScope.TENANT]: "The helm releases of your tenant's stores.",
};

export function ReleasesPage() {
  const { queries } = useApi();
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const filter = releasesFilter(search);
  const pages = usePageTokens(filter);
  const page = useQuery({
    ...queries.releases({ filter, pageToken: pages.token }),
    refetchInterval: REFETCH_MS,
  });
  const change = (part: Partial<ReleasesSearch>, replace = false) =>
    void navigate({ search: (before) => ({ ...before, ...part }), replace });
  const isNarrow = useIsNarrow();
  // Rows of another filter stay until the answer is there, and go if there is none.
  const data = page.error && page.isPlaceholderData ? undefined : page.data;
  const List = isNarrow ? ReleaseCards : ReleasesTable;

  return (
    <Stack gap="md">
      <div>
        <PageTitle tab="Releases">Releases</PageTitle>
        <Text className="dimmed" size="sm">
          {SCOPES[data?.scope ?? ReleaseScope.CLUSTER]}
        </Text>
      </div>
      <Filters search={search} change={change} />
      <QueryProblem title="The releases couldn't be loaded" query={page} />
      {data?.releases.length === 0 && !page.isPlaceholderData ? (
        <Empty title={filter ? 'No matching releases' : 'No releases yet'}>
          {filter && (
            <Button variant="default" size="xs" mt="xs" onClick={() => void navigate({ search: {} })}>
              Show everything
            </Button>
          )}
        </Empty>
      ) : (
        (data || page.isPending) && <List releases={data?.releases} outdated={page.isPlaceholderData} />
      )}
      <Group justify="space-between" gap="xs">
        <Text size="sm" className="dimmed" data-testid="total">
          {data && data.totalSize > 0n && count(data.totalSize, 'release')}
        </Text>
        <PageButtons pages={pages} next={data?.nextPageToken} labels={{ previous: 'Previous', next: 'Next' }} />
      </Group>
    </Stack>
  );
}

interface FiltersProps {
  search: ReleasesSearch;
  change: (part: Partial<ReleasesSearch>, replace?: boolean) => void;
}

function Filters({ search, change }: FiltersProps) {
  return (
    <Group gap="sm" align="flex-end" className="filters">
      <DebouncedInput
        w={{ base: '100%', xs: 220 }}
        label="Search"
        placeholder="Namespace, name or chart"
        value={search.q}
        onValue={(q) => change({ q }, true)}
        {...{ [SEARCH_FIELD]: true }}
      />
      <ChoiceFilter
        label="Belongs to"
        value={search.ownership}
        choices={OWNERSHIPS}
        onValue={(ownership) => change({ ownership })}
      />
      <ChoiceFilter label="Status" value={search.status} choices={STATUSES} onValue={(status) => change({ status })} />
    </Group>
  );
}
