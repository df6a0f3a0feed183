import { Paper, SimpleGrid, Text } from '@mantine/core';
import { seconds, span } from '@/format/time';
import type { Overview } from '@/gen/storeplane/v1/platform_pb';

/** Sums over the window. */
export function Numbers({ overview }: { overview: Overview }) {
  const sum = (key: 'created' | 'failed' | 'deleted') =>
    overview.periods.reduce((total, period) => total + Number(period[key]), 0).toLocaleString();
  const median = seconds(overview.medianTimeToReady);
  const numbers = [
    ['Created', sum('created')],
    ['Median time to ready', median === undefined ? '–' : span(median)],
    ['Failures', sum('failed')],
    ['Deleted', sum('deleted')],
  ] as const;
  return (
    <Paper withBorder p="md">
      <SimpleGrid cols={{ base: 2, sm: 4 }} component="dl" m={0}>
        {numbers.map(([name, value]) => (
          <div key={name}>
            <Text component="dt" size="sm" className="dimmed">
              {name}
            </Text>
            <Text component="dd" m={0} fw={600} fz="lg" className="numbers">
              {value}
            </Text>
          </div>
        ))}
      </SimpleGrid>
    </Paper>
  );
}
