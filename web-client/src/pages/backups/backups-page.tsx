import { Button, Group, Stack, Text } from '@mantine/core';
import { getRouteApi } from '@tanstack/react-router';
import { BACKUPS_PAGE_SIZE } from '@/api/queries';
import { SEARCH_FIELD } from '@/layout/shortcuts';
import { ChoiceFilter } from '@/ui/choice-filter';
import { DebouncedInput } from '@/ui/debounced-input';
import { Empty } from '@/ui/empty';
import { AnchorLink } from '@/ui/link';
import { PageTitle } from '@/ui/page-title';
import { BackupsList } from './backups-list';
import { type BackupsSearch, backupsFilter, STATES } from './search';

const route = getRouteApi('/backups');

/** All backups of the tenant. */
export function BackupsPage() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const filter = backupsFilter(search);
  const change = (part: Partial<BackupsSearch>, replace = false) =>
    void navigate({ search: (before) => ({ ...before, ...part }), replace });
  return (
    <Stack gap="md">
      <div>
        <PageTitle tab="Backups">Backups</PageTitle>
        <Text className="dimmed" size="sm">
          Encrypted copies of the stores' databases and files. Those of deleted stores are kept for a while, 30 days by
          default.
        </Text>
      </div>
      <Group gap="sm" align="flex-end" className="filters">
        <DebouncedInput
          w={{ base: '100%', xs: 220 }}
          label="Store ID"
          value={search.store}
          onValue={(store) => change({ store }, true)}
          {...{ [SEARCH_FIELD]: true }}
        />
        <ChoiceFilter label="State" value={search.state} choices={STATES} onValue={(state) => change({ state })} />
      </Group>
      <BackupsList
        filter={filter}
        pageSize={BACKUPS_PAGE_SIZE}
        showStore
        empty={
          filter ? (
            <Empty title="No matching backups">
              <Button variant="default" size="xs" mt="xs" onClick={() => void navigate({ search: {} })}>
                Show everything
              </Button>
            </Empty>
          ) : (
            <Empty title="No backups yet">
              Open one of the{' '}
              <AnchorLink to="/stores" size="sm">
                stores
              </AnchorLink>{' '}
              to create its first backup.
            </Empty>
          )
        }
      />
    </Stack>
  );
}
