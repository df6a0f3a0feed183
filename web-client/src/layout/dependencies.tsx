import { timestampDate } from '@bufbuild/protobuf/wkt';
import { Alert, Stack, Text } from '@mantine/core';
import { useCallback } from 'react';
import { problem } from '@/api/problem';
import { moment } from '@/format/time';
import type { Dependency } from '@/gen/storeplane/v1/platform_pb';
import { useCaller } from '@/session/caller';
import { isDown } from '@/session/dependencies';
import { useTicking } from '@/ui/clock';

const NAMES: Record<string, string> = { kubernetes: 'The Kubernetes API server', postgres: 'Postgres' };

/** Says what the server cannot reach. */
export function Dependencies() {
  const { data, error } = useCaller();
  const down = data?.dependencies.filter(isDown) ?? [];
  // Without Postgres the server cannot answer who the caller is, so it cannot list what is down.
  const hasDatabase = error === null || problem(error).reason !== 'DATABASE_UNAVAILABLE';
  const shown = hasDatabase ? down : [];
  return (
    <div role="status" aria-live="polite">
      {(!hasDatabase || shown.length > 0) && (
        <Stack gap="xs" mb="lg">
          {!hasDatabase && (
            <Alert color="yellow" title="Postgres does not answer">
              <Text size="sm">Changes are not possible, and this page may be out of date. It updates by itself.</Text>
            </Alert>
          )}
          {shown.map((dependency) => (
            <Unreachable key={dependency.name} dependency={dependency} />
          ))}
        </Stack>
      )}
    </div>
  );
}

function Unreachable({ dependency: { name, sinceTime, message } }: { dependency: Dependency }) {
  const since = useTicking(
    useCallback((now) => (sinceTime ? moment(timestampDate(sinceTime), now) : 'now'), [sinceTime]),
  );
  return (
    <Alert color="yellow" title={`${NAMES[name] ?? name} does not answer`}>
      <Text size="sm">No answer since {since}. Operations wait for it and continue by themselves.</Text>
      {message && (
        <Text size="xs" className="dimmed">
          {message}
        </Text>
      )}
    </Alert>
  );
}
