import { Group, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useApi } from '@/api/api';
import { date, span } from '@/format/time';
import { operationKind, operationState, words } from '@/format/words';
import { type Operation, OperationState } from '@/gen/storeplane/v1/operation_pb';
import type { Store } from '@/gen/storeplane/v1/store_pb';
import { Panel } from '@/ui/panel';
import { Ago } from '@/ui/time';

/** The operations on this store, the newest first. Those of an earlier store of the same id are not its own. */
export function History({ store }: { store: Store }) {
  const { queries } = useApi();
  const query = useQuery(queries.operations(store.storeId));
  const operations = query.data?.operations.filter(({ storeUid }) => storeUid === store.uid) ?? [];
  return (
    <Panel title="Operations" mih={120}>
      <Stack component="ul" gap="sm" className="plain">
        {operations.map((operation) => (
          <OperationLine key={operation.operationId} operation={operation} />
        ))}
      </Stack>
    </Panel>
  );
}

function OperationLine({ operation }: { operation: Operation }) {
  const [began, ended] = [date(operation.startTime), date(operation.endTime)];
  const state = operation.cancelRequested && !ended ? 'Being cancelled' : operationState(operation.state);
  return (
    <li>
      <Group justify="space-between" wrap="nowrap">
        <Text size="sm">
          <b>{operationKind(operation.kind)}</b> by {operation.requestedBy}
        </Text>
        <Text size="sm" className="numbers">
          {state}
          {began && ended && ` in ${span((ended.getTime() - began.getTime()) / 1000)}`}
        </Text>
      </Group>
      <Group justify="space-between" wrap="nowrap">
        <Text size="xs" className="dimmed">
          <Ago time={operation.createTime} />
          {operation.claims > 1 && `, taken up ${operation.claims} times`}
        </Text>
        <Text size="xs" className="dimmed">
          {operation.state === OperationState.FAILED && words(operation.reason)}
        </Text>
      </Group>
    </li>
  );
}
