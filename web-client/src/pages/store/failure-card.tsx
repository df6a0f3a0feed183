import { Alert, Spoiler, Stack, Text } from '@mantine/core';
import { IconAlertTriangle } from '@tabler/icons-react';
import { reasonTitle } from '@/format/words';
import { type Store, StoreState } from '@/gen/storeplane/v1/store_pb';
import { isCancelled } from './summary';

/** Why a store is FAILED or DEGRADED: the cause, the remedy, and what was observed. */
export function FailureCard({ store }: { store: Store }) {
  const { state, reason, message, remedy, details } = store;
  if ((state !== StoreState.FAILED && state !== StoreState.DEGRADED) || !reason) return null;
  const color = isCancelled(store) ? 'gray' : state === StoreState.FAILED ? 'red' : 'yellow';
  return (
    <Alert
      color={color}
      variant="outline"
      icon={<IconAlertTriangle aria-hidden />}
      title={reasonTitle(reason)}
      data-testid="failure"
    >
      <Stack gap="xs">
        <Text size="sm" className="wrap">
          {message}
        </Text>
        {remedy && (
          <Text size="sm" className="wrap">
            <b>What to do:</b> {remedy}
          </Text>
        )}
        {details.length > 0 && (
          <Spoiler maxHeight={180} showLabel="Show details" hideLabel="Hide details">
            <pre className="observed">{details.join('\n')}</pre>
          </Spoiler>
        )}
        <code className="reason">{reason}</code>
      </Stack>
    </Alert>
  );
}
