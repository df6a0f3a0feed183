import { Button, Group, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useApi } from '@/api/api';
import { count, reasonTitle } from '@/format/words';
import { type Store, StoreState } from '@/gen/storeplane/v1/store_pb';
import { useCanEdit } from '@/session/caller';
import { AnchorLink } from '@/ui/link';
import { Panel } from '@/ui/panel';
import { StateBadge } from '@/ui/state-badge';
import { BackupMark, DriftMark, EnvironmentBadge } from '@/ui/store-marks';
import { Counting, Moment } from '@/ui/time';
import { RetryAction } from '../store/retry-action';

const SHOWN = 5;

/** Stores with a problem: which, why, since when, and what can be done. Not shown where there is none. */
export function NeedsAttention() {
  const { queries } = useApi();
  const { data } = useQuery(
    queries.stores({
      filter: '(state = FAILED OR state = DEGRADED)',
      orderBy: 'update_time desc',
      pageSize: SHOWN,
      pageToken: '',
    }),
  );
  const stores = data?.stores ?? [];
  if (stores.length === 0) return null;
  const more = Number(data?.totalSize ?? 0) - stores.length;
  return (
    <Panel title="Needs attention" data-testid="attention">
      <Stack component="ul" gap="sm" className="plain">
        {stores.map((store) => (
          <AttentionLine key={store.uid} store={store} />
        ))}
      </Stack>
      {more > 0 && (
        <Group gap="xs" mt="sm">
          <Text size="sm" className="dimmed">
            {count(more, 'more store')}:
          </Text>
          <AnchorLink to="/stores" search={{ show: 'failed' }} size="sm">
            Failed
          </AnchorLink>
          <AnchorLink to="/stores" search={{ show: 'degraded' }} size="sm">
            Degraded
          </AnchorLink>
        </Group>
      )}
    </Panel>
  );
}

function AttentionLine({ store }: { store: Store }) {
  const { queries } = useApi();
  const canEdit = useCanEdit();
  const { displayName, storeId, state, reason, stateTime, environment, conditions } = store;
  // What a retry does depends on the operation that failed.
  const listed =
    useQuery({ ...queries.operations(storeId), enabled: state === StoreState.FAILED }).data?.operations ?? [];
  return (
    <Group component="li" justify="space-between" gap="xs" data-store={storeId}>
      <div className="attention-text">
        <Group gap="sm">
          <Text size="sm" fw={600} className="wrap">
            {displayName}
          </Text>
          <StateBadge state={state} reason={reason} />
          <EnvironmentBadge environment={environment} />
        </Group>
        <Text size="sm" className="dimmed">
          {reasonTitle(reason)}
          {stateTime && (
            <>
              {' since '}
              <Moment time={stateTime} /> (<Counting since={stateTime} coarse />)
            </>
          )}
        </Text>
        <BackupMark conditions={conditions} />
        <DriftMark conditions={conditions} />
      </div>
      <Group gap="xs">
        {canEdit && <RetryAction store={store} operations={listed} />}
        <OpenLink storeId={storeId} />
      </Group>
    </Group>
  );
}

function OpenLink({ storeId }: { storeId: string }) {
  return (
    <Button component={Link} to={`/stores/${storeId}`} variant="default" aria-label={`Open ${storeId}`}>
      Open
    </Button>
  );
}
