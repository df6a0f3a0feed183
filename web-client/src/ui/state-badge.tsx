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

/** A store's state: a dot that pulses while something goes on, and the word, which says all that the colour does. */
export function StateBadge({ state }: { state: StoreState }) {
  return (
    <Group gap={8} wrap="nowrap" className="state" data-state={stateName(state)}>
      <Box className="dot" data-busy={BUSY.includes(state) || undefined} style={{ background: stateColor(state) }} />
      <span>{words(stateName(state))}</span>
    </Group>
  );
}
