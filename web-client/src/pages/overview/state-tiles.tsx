import { SimpleGrid, Text } from '@mantine/core';
import type { StateCount } from '@/gen/storeplane/v1/platform_pb';
import type { StoreState } from '@/gen/storeplane/v1/store_pb';
import { PaperLink } from '@/ui/link';
import { stateColor } from '@/ui/state-badge';
import { GROUP_NAMES, GROUPS, type Group } from '../stores/search';

const SHOWN: readonly Group[] = ['ready', 'busy', 'degraded', 'failed'];

/** How many stores are in each state now; each tile links to them. */
export function StateTiles({ states }: { states: StateCount[] }) {
  const countOf = (group: Group) => {
    const members: readonly StoreState[] = GROUPS[group];
    return states.filter(({ state }) => members.includes(state)).reduce((sum, { count }) => sum + Number(count), 0);
  };
  return (
    <SimpleGrid cols={{ base: 2, sm: 4 }} component="nav" aria-label="Stores by state">
      {SHOWN.map((group) => {
        const number = countOf(group);
        return (
          <PaperLink
            key={group}
            to="/stores"
            search={{ show: group }}
            withBorder
            p="md"
            className="tile"
            style={{ borderTopColor: number > 0 ? stateColor(GROUPS[group][0] as StoreState) : undefined }}
            data-testid={`count-${group}`}
          >
            <Text size="sm" className="dimmed">
              {GROUP_NAMES[group]}
            </Text>
            <Text fw={650} fz={26} lh={1.3} className="numbers">
              {number.toLocaleString()}
            </Text>
            <Text size="xs" className="dimmed">
              {number === 1 ? 'store now' : 'stores now'}
            </Text>
          </PaperLink>
        );
      })}
    </SimpleGrid>
  );
}
