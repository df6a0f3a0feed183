import { Group, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useApi } from '@/api/api';
import { operationKind, reasonTitle, stateName, stepTitle } from '@/format/words';
import { type Operation, OperationState } from '@/gen/storeplane/v1/operation_pb';
import type { Store } from '@/gen/storeplane/v1/store_pb';
import { AnchorLink } from '@/ui/link';
import { Panel } from '@/ui/panel';
import { EnvironmentBadge } from '@/ui/store-marks';
import { Counting } from '@/ui/time';
import { GROUPS } from '../stores/search';

/** As many as GetOverview returns. */
const SHOWN = 20;

/** Operations that are pending or running, the oldest first, and what they are waiting for. */
export function InProgress({ operations, total }: { operations: Operation[]; total: bigint }) {
  const { queries } = useApi();
  const states = GROUPS.busy.map((state) => `state = ${stateName(state)}`).join(' OR ');
  // An operation has a reason when it ends; what a running one is waiting for is in its store.
  const stores = useQuery({
    ...queries.stores({ filter: `(${states})`, orderBy: 'create_time', pageSize: SHOWN, pageToken: '' }),
    enabled: operations.length > 0,
  });
  const byUid = new Map(stores.data?.stores.map((store) => [store.uid, store]));
  const more = Number(total) - operations.length;
  return (
    <Panel title="In progress" mih={140}>
      {operations.length === 0 && (
        <Text size="sm" className="dimmed">
          Nothing in progress
        </Text>
      )}
      <Stack component="ul" gap="sm" className="plain" data-testid="in-progress">
        {operations.map((operation) => (
          <OperationLine key={operation.operationId} operation={operation} store={byUid.get(operation.storeUid)} />
        ))}
      </Stack>
      {more > 0 && (
        <Text size="sm" className="dimmed" mt="sm">
          and {more.toLocaleString()} more
        </Text>
      )}
    </Panel>
  );
}

function OperationLine({ operation, store }: { operation: Operation; store: Store | undefined }) {
  const { kind, state, storeId, step, createTime } = operation;
  const reason = operation.reason || store?.reason;
  return (
    <li>
      <Group justify="space-between" wrap="nowrap">
        <Group gap="xs" wrap="nowrap" miw={0}>
          <AnchorLink to="/stores/$storeId" params={{ storeId }} size="sm" truncate>
            {storeId}
          </AnchorLink>
          {store && <EnvironmentBadge environment={store.environment} />}
        </Group>
        <Text size="sm" className="dimmed numbers">
          {createTime && <Counting since={createTime} />}
        </Text>
      </Group>
      <Text size="xs" className="dimmed wrap">
        {operationKind(kind)} · {state === OperationState.PENDING ? 'Waiting for a worker' : stepTitle(step)}
        {reason && ` · ${reasonTitle(reason)}`}
      </Text>
    </li>
  );
}
