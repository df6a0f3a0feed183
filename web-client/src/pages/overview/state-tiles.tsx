import { SimpleGrid, Text } from '@mantine/core';
import type { Overview } from '@/gen/storeplane/v1/platform_pb';
import { StoreState } from '@/gen/storeplane/v1/store_pb';
import { PaperLink } from '@/ui/link';
import { stateColor } from '@/ui/state-badge';
import { GROUPS, type Group, SHOW_NAMES, type Show } from '../stores/search';

const SHOWN: readonly Group[] = ['ready', 'busy', 'degraded', 'failed'];

/** How many stores are in each state now, and how many run without a recent backup or have drifted, if any; each tile links to them. */
export function StateTiles({ overview }: { overview: Overview }) {
  const countOf = (group: Group) => {
    const members: readonly StoreState[] = GROUPS[group];
    return overview.states
      .filter(({ state }) => members.includes(state))
      .reduce((sum, { count }) => sum + Number(count), 0);
  };
  const marked = [
    ['overdue', Number(overview.backupOverdueCount)],
    ['drifted', Number(overview.driftedCount)],
  ] as const;
  const shown = marked.filter(([, count]) => count > 0);
  return (
    <SimpleGrid cols={{ base: 2, sm: SHOWN.length + shown.length }} component="nav" aria-label="Stores by state">
      {SHOWN.map((group) => (
        <Tile key={group} show={group} state={GROUPS[group][0] as StoreState} number={countOf(group)} />
      ))}
      {shown.map(([show, count]) => (
        <Tile key={show} show={show} state={StoreState.DEGRADED} number={count} />
      ))}
    </SimpleGrid>
  );
}

/** In the colour of the state. */
function Tile({ show, state, number }: { show: Show; state: StoreState; number: number }) {
  return (
    <PaperLink
      to="/stores"
      search={{ show }}
      withBorder
      p="md"
      className="tile"
      style={{ borderTopColor: number > 0 ? stateColor(state) : undefined }}
      data-testid={`count-${show}`}
    >
      <Text size="sm" className="dimmed">
        {SHOW_NAMES[show]}
      </Text>
      <Text fw={650} fz={26} lh={1.3} className="numbers">
        {number.toLocaleString()}
      </Text>
      <Text size="xs" className="dimmed">
        {number === 1 ? 'store now' : 'stores now'}
      </Text>
    </PaperLink>
  );
}
