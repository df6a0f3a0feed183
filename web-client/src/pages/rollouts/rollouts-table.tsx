import { Box, Table, Text } from '@mantine/core';
import type { Rollout } from '@/gen/storeplane/v1/rollout_service_pb';
import { ListTable } from '@/ui/list-table';
import { CountsBar, Created, Failed, Name, State } from './rollout-cells';
import { countsText, waveText } from './rollout-text';

export interface RolloutListProps {
  rollouts: Rollout[] | undefined;
  /** True while the rows are those of the page before. */
  outdated: boolean;
}

const COLUMNS = ['Rollout', 'State', 'Progress', 'Wave', 'Failed', 'Created'];

export function RolloutsTable({ rollouts, outdated }: RolloutListProps) {
  return (
    <ListTable label="List of rollouts" columns={COLUMNS} rows={rollouts} outdated={outdated}>
      {(rollout) => (
        <Table.Tr key={rollout.rolloutId} data-rollout={rollout.rolloutId}>
          <Table.Td maw={320}>
            <Name rollout={rollout} />
          </Table.Td>
          <Table.Td>
            <State rollout={rollout} />
          </Table.Td>
          <Table.Td>
            <Box miw={180}>
              <CountsBar counts={rollout.counts} label="Stores" />
              <Text size="xs" className="dimmed numbers" mt={4}>
                {countsText(rollout.counts)}
              </Text>
            </Box>
          </Table.Td>
          <Table.Td className="numbers">{waveText(rollout)}</Table.Td>
          <Table.Td>
            <Failed counts={rollout.counts} />
          </Table.Td>
          <Table.Td maw={180}>
            <Created rollout={rollout} />
          </Table.Td>
        </Table.Tr>
      )}
    </ListTable>
  );
}
