import { Box, Group } from '@mantine/core';
import { stateName, words } from '@/format/words';
import { StoreState } from '@/gen/storeplane/v1/store_pb';

const COLORS: Record<StoreState, string> = {
  [StoreState.UNSPECIFIED]: 'gray',
  [StoreState.PROVISIONING]: 'indigo',
  [StoreState.READY]: 'teal',
  [StoreState.UPDATING]: 'indigo',
  [StoreState.DEGRADED]: 'yellow',
  [StoreState.FAILED]: 'red',
  [StoreState.DELETING]: 'gray',
  [StoreState.DELETED]: 'gray',
};

const BUSY: readonly StoreState[] = [StoreState.PROVISIONING, StoreState.UPDATING, StoreState.DELETING];

export function stateColor(state: StoreState): string {
  return `var(--mantine-color-${COLORS[state]}-6)`;
}

/** A store's state. The word says everything that the colour says; the dot pulses while an operation is running. */
export function StateBadge({ state, reason = '' }: { state: StoreState; reason?: string }) {
  // The creation was stopped on purpose: nothing is wrong.
  const isCancelled = state === StoreState.FAILED && reason === 'CANCELLED';
  const color = isCancelled ? stateColor(StoreState.DELETED) : stateColor(state);
  return (
    <Group gap={8} wrap="nowrap" className="state" data-state={stateName(state)}>
      <Box className="dot" data-busy={BUSY.includes(state) || undefined} style={{ background: color }} />
      <span>{isCancelled ? 'Cancelled' : words(stateName(state))}</span>
    </Group>
  );
}
