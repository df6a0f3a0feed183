import { Alert, Spoiler, Stack, Text } from '@mantine/core';
import { IconAlertTriangle } from '@tabler/icons-react';
import { words } from '@/format/words';
import { type Store, StoreState } from '@/gen/storeplane/v1/store_pb';

/** Why a store failed or is degraded: the cause, what can be done, and what was observed. */
export function FailureCard({ store }: { store: Store }) {
  const { state, reason, message, remedy, details } = store;
  if ((state !== StoreState.FAILED && state !== StoreState.DEGRADED) || !reason) return null;
  return (
    <Alert
      color={state === StoreState.FAILED ? 'red' : 'yellow'}
      variant="outline"
      icon={<IconAlertTriangle aria-hidden />}
      title={words(reason)}
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
          <Spoiler maxHeight={180} showLabel="Show all that was observed" hideLabel="Show less">
            <pre className="observed">{details.join('\n')}</pre>
          </Spoiler>
        )}
        <code className="reason">{reason}</code>
      </Stack>
    </Alert>
  );
}
