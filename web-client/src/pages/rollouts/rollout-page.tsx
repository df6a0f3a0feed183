import { Code } from '@connectrpc/connect';
import { Alert, Anchor, Group, Skeleton, Stack, Text } from '@mantine/core';
import { IconInfoCircle } from '@tabler/icons-react';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useMemo } from 'react';
import { problem } from '@/api/problem';
import { isOpen } from '@/api/rollout-state';
import { reasonTitle, sentence } from '@/format/words';
import { type Rollout, RolloutState } from '@/gen/storeplane/v1/rollout_service_pb';
import type { WatchedRollout } from '@/live/rollout';
import { useCanEdit } from '@/session/caller';
import { PageTitle } from '@/ui/page-title';
import { Panel } from '@/ui/panel';
import { Ago, Until } from '@/ui/time';
import { RolloutActions } from './rollout-actions';
import { CountsBar, RolloutBadge } from './rollout-cells';
import { Facts } from './rollout-facts';
import { RolloutProblem } from './rollout-problem';
import { countsText, targetText, titleOf, waveText } from './rollout-text';
import { useRollout } from './use-rollout';
import { groupsByWave } from './wave-groups';
import { WavePanel } from './wave-panel';

const route = getRouteApi('/rollouts/$rolloutId');

export function RolloutPage() {
  const { rolloutId } = route.useParams();
  const { data, query } = useRollout(rolloutId);
  if (data?.rollout) {
    return (
      <Stack gap="lg">
        <RolloutProblem title="The rollout couldn't be loaded" query={query} />
        <RolloutView rollout={data.rollout} stores={data.stores} />
      </Stack>
    );
  }
  if (!query.error) return <Loading />;
  const { code } = problem(query.error);
  // What is no ID has no rollout.
  const isMissing = code === Code.NotFound || code === Code.InvalidArgument;
  return (
    <Stack gap="lg">
      <PageTitle tab="Rollout">{isMissing ? 'Rollout not found' : 'Rollout'}</PageTitle>
      {isMissing ? (
        <Anchor component={Link} to="/rollouts">
          All rollouts
        </Anchor>
      ) : (
        <RolloutProblem title="The rollout couldn't be loaded" query={query} />
      )}
    </Stack>
  );
}

function RolloutView({ rollout, stores }: { rollout: Rollout; stores: WatchedRollout['stores'] }) {
  const canEdit = useCanEdit();
  const groups = useMemo(() => groupsByWave(stores.values()), [stores]);
  const { state, waves, wave, counts, createTime, createdBy } = rollout;
  const title = titleOf(rollout);
  return (
    <Stack gap="lg">
      <Stack gap={6}>
        <Anchor component={Link} to="/rollouts" size="sm" w="max-content">
          Rollouts
        </Anchor>
        <Group justify="space-between" align="flex-start">
          <div>
            <Group gap="md">
              <PageTitle tab={title}>{title}</PageTitle>
              <span role="status">
                <RolloutBadge state={state} />
              </span>
            </Group>
            <Text size="sm" className="dimmed wrap">
              {targetText(rollout.target)} · <Ago time={createTime} />
              {createdBy && ` by ${createdBy}`}
            </Text>
          </div>
          {canEdit && <RolloutActions rollout={rollout} />}
        </Group>
      </Stack>
      <Cause rollout={rollout} />
      <Panel title="Progress" aside={<Text size="sm">{waveText(rollout)}</Text>}>
        <CountsBar counts={counts} label="All stores" />
        <Text size="sm" className="numbers wrap" mt={6} data-testid="counts">
          {countsText(counts)}
        </Text>
        <Facts rollout={rollout} />
      </Panel>
      {waves.map((each, index) => (
        <WavePanel
          // biome-ignore lint/suspicious/noArrayIndexKey: a wave is known by its place
          key={index}
          number={index + 1}
          wave={each}
          isCurrent={isOpen(rollout) && index + 1 === wave}
          groups={groups.get(index + 1) ?? []}
        />
      ))}
    </Stack>
  );
}

/** Why it is paused, or what it waits for. It changes often: only the state is announced. */
function Cause({ rollout: { state, reason, message, soakEndTime } }: { rollout: Rollout }) {
  if (!reason) return null;
  const color = state === RolloutState.PAUSED || state === RolloutState.ROLLING_BACK ? 'yellow' : 'gray';
  return (
    <Alert
      color={color}
      variant="outline"
      icon={<IconInfoCircle aria-hidden />}
      title={reasonTitle(reason)}
      role="note"
      data-testid="cause"
    >
      {message && sentence(message)}
      {soakEndTime && (
        <>
          {' '}
          This ends <Until time={soakEndTime} />.
        </>
      )}
    </Alert>
  );
}

function Loading() {
  return (
    <Stack gap="lg" aria-busy>
      <Skeleton height={64} maw={420} />
      <Skeleton height={220} />
      <Skeleton height={140} />
    </Stack>
  );
}
