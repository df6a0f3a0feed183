import { Box, Progress, Text } from '@mantine/core';
import { reasonTitle } from '@/format/words';
import {
  type Rollout,
  type RolloutCounts,
  RolloutState,
  RolloutStoreState,
} from '@/gen/storeplane/v1/rollout_service_pb';
import { AnchorLink } from '@/ui/link';
import { Ago } from '@/ui/time';
import { countsText, rolloutState, targetText, titleOf } from './rollout-text';

const COLORS: Record<RolloutState, string> = {
  [RolloutState.UNSPECIFIED]: 'gray',
  [RolloutState.RUNNING]: 'indigo',
  [RolloutState.PAUSED]: 'yellow',
  [RolloutState.ROLLING_BACK]: 'yellow',
  [RolloutState.COMPLETED]: 'teal',
  [RolloutState.ABORTED]: 'gray',
  [RolloutState.ROLLED_BACK]: 'gray',
};

const BUSY: readonly RolloutState[] = [RolloutState.RUNNING, RolloutState.ROLLING_BACK];

const STORE_COLORS: Record<RolloutStoreState, string> = {
  [RolloutStoreState.UNSPECIFIED]: 'gray',
  [RolloutStoreState.PENDING]: 'gray',
  [RolloutStoreState.RUNNING]: 'indigo',
  [RolloutStoreState.SUCCEEDED]: 'teal',
  [RolloutStoreState.FAILED]: 'red',
  [RolloutStoreState.SKIPPED]: 'gray',
  [RolloutStoreState.ROLLED_BACK]: 'yellow',
};

export function storeColor(state: RolloutStoreState): string {
  return `var(--mantine-color-${STORE_COLORS[state] ?? 'gray'}-6)`;
}

/** The rollout's state; the dot pulses while it changes stores. */
export function RolloutBadge({ state }: Pick<Rollout, 'state'>) {
  return (
    <span className="outcome" data-rollout-state={RolloutState[state] ?? 'unknown'}>
      <Box
        className="dot"
        data-busy={BUSY.includes(state) || undefined}
        style={{ background: `var(--mantine-color-${COLORS[state] ?? 'gray'}-6)` }}
      />
      {rolloutState(state)}
    </span>
  );
}

/** The state with its reason, unless that says the same. */
export function State({ rollout: { state, reason, message } }: { rollout: Rollout }) {
  return (
    <>
      <RolloutBadge state={state} />
      {reason && reason !== RolloutState[state] && (
        <Text size="xs" className="dimmed" title={message}>
          {reasonTitle(reason)}
        </Text>
      )}
    </>
  );
}

/** The rollout with a link, and what it changes. */
export function Name({ rollout }: { rollout: Rollout }) {
  const title = titleOf(rollout);
  return (
    <>
      <AnchorLink
        to="/rollouts/$rolloutId"
        params={{ rolloutId: rollout.rolloutId }}
        fw={600}
        size="sm"
        truncate
        display="block"
        title={title}
      >
        {title}
      </AnchorLink>
      <Text size="xs" className="dimmed wrap">
        {targetText(rollout.target)}
      </Text>
    </>
  );
}

export function Created({ rollout: { createTime, createdBy } }: { rollout: Rollout }) {
  return (
    <>
      <Ago time={createTime} />
      {createdBy && (
        <Text size="xs" className="dimmed wrap">
          by {createdBy}
        </Text>
      )}
    </>
  );
}

/** How many stores failed; what is wrong must not be overlooked. */
export function Failed({ counts }: Pick<Rollout, 'counts'>) {
  const failed = counts?.failed ?? 0;
  return (
    <Text
      span
      size="sm"
      className={failed > 0 ? 'numbers failure' : 'numbers dimmed'}
      fw={failed > 0 ? 600 : undefined}
    >
      {failed.toLocaleString()}
    </Text>
  );
}

/** How many stores are in each state. Pending ones are what is missing to the whole bar. */
export function CountsBar({ counts, label }: { counts: RolloutCounts | undefined; label: string }) {
  const total = Math.max(1, counts?.total ?? 0);
  const parts = [
    [RolloutStoreState.FAILED, counts?.failed],
    [RolloutStoreState.SUCCEEDED, counts?.succeeded],
    [RolloutStoreState.ROLLED_BACK, counts?.rolledBack],
    [RolloutStoreState.SKIPPED, counts?.skipped],
    [RolloutStoreState.RUNNING, counts?.running],
  ] as const;
  return (
    <Progress.Root role="img" aria-label={`${label}: ${countsText(counts)}`} className="counts-bar">
      {parts.map(
        ([state, number = 0]) =>
          number > 0 && (
            <Progress.Section key={state} value={(number / total) * 100} color={storeColor(state)} withAria={false} />
          ),
      )}
    </Progress.Root>
  );
}
