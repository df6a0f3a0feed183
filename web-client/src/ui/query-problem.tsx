import { Alert, Button, Group, Text } from '@mantine/core';
import { IconCloudOff } from '@tabler/icons-react';
import { useCallback } from 'react';
import { serverNow } from '@/api/server-clock';
import { moment } from '@/format/time';
import { useTicking } from './clock';
import { ProblemAlert } from './problem-alert';

interface Props {
  title: string;
  query: { error: unknown; data: unknown; dataUpdatedAt: number; isPlaceholderData: boolean; refetch: () => unknown };
}

/** Why a query failed. Where older data is still shown, says from when it is. */
export function QueryProblem({ title, query }: Props) {
  if (!query.error) return null;
  const retry = () => void query.refetch();
  if (query.data === undefined || query.isPlaceholderData) {
    return <ProblemAlert title={title} error={query.error} onRetry={retry} />;
  }
  return <StaleNotice since={query.dataUpdatedAt} onRetry={retry} />;
}

function StaleNotice({ since, onRetry }: { since: number; onRetry: () => void }) {
  const format = useCallback((now: number) => moment(new Date(since + serverNow() - Date.now()), now), [since]);
  const text = useTicking(format);
  return (
    <Alert color="yellow" variant="outline" icon={<IconCloudOff aria-hidden />} role="status" data-testid="stale">
      <Group justify="space-between">
        <Text size="sm">Showing data from {text}, reconnecting…</Text>
        <Button size="xs" variant="default" onClick={onRetry}>
          Try now
        </Button>
      </Group>
    </Alert>
  );
}
