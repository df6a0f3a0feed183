import { Paper, SimpleGrid, Text } from '@mantine/core';
import { seconds, span } from '@/format/time';
import type { Overview } from '@/gen/storeplane/v1/platform_pb';
import { WINDOWS } from './search';

/** Totals over the window, each labelled as what the server counts. */
export function Totals({ overview, hours }: { overview: Overview; hours: number }) {
  const sum = (key: 'created' | 'failed' | 'deleted') =>
    overview.periods.reduce((total, period) => total + Number(period[key]), 0).toLocaleString();
  const median = seconds(overview.medianTimeToReady);
  const totals = [
    ['Stores created', sum('created'), ''],
    ['Median time to ready', median === undefined ? '–' : span(median), 'stores ready without a retry'],
    ['Failed operations', sum('failed'), 'including those retried since'],
    ['Stores deleted', sum('deleted'), ''],
  ] as const;
  const window = WINDOWS.find((each) => each.hours === hours)?.text;
  return (
    <Paper withBorder p="md" component="section" aria-label={window}>
      <Text size="xs" fw={600} className="dimmed" mb={6}>
        {window}
      </Text>
      <SimpleGrid cols={{ base: 2, sm: 4 }} component="dl" m={0}>
        {totals.map(([name, value, note]) => (
          <div key={name}>
            <Text component="dt" size="sm" className="dimmed">
              {name}
            </Text>
            <Text component="dd" m={0} fw={600} fz="lg" className="numbers">
              {value}
            </Text>
            {note && (
              <Text component="dd" m={0} size="xs" className="dimmed">
                {note}
              </Text>
            )}
          </div>
        ))}
      </SimpleGrid>
    </Paper>
  );
}
