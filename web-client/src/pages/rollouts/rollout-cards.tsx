import { Group, Paper, Text } from '@mantine/core';
import { ListCards } from '@/ui/list-cards';
import { CountsBar, Created, Name, State } from './rollout-cells';
import { countsText, waveText } from './rollout-text';
import type { RolloutListProps } from './rollouts-table';

/** The rollouts on a phone. */
export function RolloutCards({ rollouts, outdated }: RolloutListProps) {
  return (
    <ListCards label="List of rollouts" rows={rollouts} outdated={outdated} height={150}>
      {(rollout) => (
        <Paper component="li" withBorder p="sm" key={rollout.rolloutId} data-rollout={rollout.rolloutId}>
          <Name rollout={rollout} />
          <Group justify="space-between" gap="xs" my={6} align="flex-start">
            <div>
              <State rollout={rollout} />
            </div>
            <Text size="sm" className="numbers">
              {waveText(rollout)}
            </Text>
          </Group>
          <CountsBar counts={rollout.counts} label="Stores" />
          <Text size="xs" className="dimmed" mt={4}>
            {countsText(rollout.counts)}
          </Text>
          <dl className="pairs">
            <dt>Created</dt>
            <dd>
              <Created rollout={rollout} />
            </dd>
          </dl>
        </Paper>
      )}
    </ListCards>
  );
}
