import { Group, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useApi } from '@/api/api';
import { useCanEdit } from '@/session/caller';
import { Empty } from '@/ui/empty';
import { PageTitle } from '@/ui/page-title';
import { PageButtons, usePageTokens } from '@/ui/page-tokens';
import { useIsNarrow } from '@/ui/use-is-narrow';
import { NewRollout } from './new-rollout';
import { RolloutCards } from './rollout-cards';
import { RolloutProblem } from './rollout-problem';
import { RolloutsTable } from './rollouts-table';

/** The rollouts of the tenant, the newest first. */
export function RolloutsPage() {
  const { queries } = useApi();
  const canEdit = useCanEdit();
  const pages = usePageTokens('');
  const page = useQuery(queries.rollouts({ pageToken: pages.token }));
  const { data } = page;
  const List = useIsNarrow() ? RolloutCards : RolloutsTable;
  return (
    <Stack gap="md">
      <Group justify="space-between">
        <div>
          <PageTitle tab="Rollouts">Rollouts</PageTitle>
          <Text className="dimmed" size="sm">
            Changes of many stores, wave after wave. A rollout stops when too many of its stores fail.
          </Text>
        </div>
        {canEdit && <NewRollout />}
      </Group>
      <RolloutProblem title="The rollouts couldn't be loaded" query={page} />
      {data?.rollouts.length === 0 ? (
        <Empty title="No rollouts yet">
          {canEdit ? 'Start one to change the version or the settings of many stores.' : undefined}
        </Empty>
      ) : (
        (data || page.isPending) && <List rollouts={data?.rollouts} outdated={page.isPlaceholderData} />
      )}
      <PageButtons pages={pages} next={data?.nextPageToken} labels={{ previous: 'Newer', next: 'Older' }} />
    </Stack>
  );
}
