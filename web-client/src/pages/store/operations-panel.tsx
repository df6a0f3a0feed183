import { Group, Stack, Text } from '@mantine/core';
import { elapsed, span } from '@/format/time';
import { operationKind, operationState, reasonTitle } from '@/format/words';
import { type Operation, OperationState } from '@/gen/storeplane/v1/operation_pb';
import { Copy } from '@/ui/copy';
import { Panel } from '@/ui/panel';
import { Ago } from '@/ui/time';

/** The store's operations, the newest first. */
export function OperationsPanel({ operations }: { operations: Operation[] }) {
  return (
    <Panel title="Operations" mih={120}>
      <Stack component="ul" gap="sm" className="plain" data-testid="operations">
        {operations.map((operation) => (
          <OperationLine key={operation.operationId} operation={operation} />
        ))}
      </Stack>
    </Panel>
  );
}

/** The part of the page with an operation, as in its address. */
export const operationAnchor = (operationId: string) => `operation-${operationId}`;

function OperationLine({ operation }: { operation: Operation }) {
  const { operationId, kind, requestedBy, claims, reason } = operation;
  const seconds = elapsed(operation.startTime, operation.endTime);
  const isCancelling = operation.cancelRequested && !operation.endTime;
  return (
    <li id={operationAnchor(operationId)}>
      <Group justify="space-between" gap="xs">
        <Text size="sm" className="wrap">
          <b>{operationKind(kind)}</b> by {requestedBy}
        </Text>
        <Text size="sm" className="numbers">
          {isCancelling ? 'Cancelling' : operationState(operation.state)}
          {seconds !== undefined && ` in ${span(seconds)}`}
        </Text>
      </Group>
      <Group justify="space-between" gap="xs">
        <Text size="xs" className="dimmed">
          <Ago time={operation.createTime} />
          {claims > 1 && `, claimed ${claims} times`}
        </Text>
        <Text size="xs" className="dimmed">
          {operation.state === OperationState.FAILED && reasonTitle(reason)}
        </Text>
      </Group>
      <Group gap={4} wrap="nowrap">
        <Text size="xs" className="dimmed operation-id" truncate title={operationId}>
          {operationId}
        </Text>
        <Copy text={operationId} what="operation ID" />
      </Group>
    </li>
  );
}
