import { Alert, Button, Group, Text } from '@mantine/core';
import { IconAlertTriangle } from '@tabler/icons-react';
import { problem } from '@/api/problem';

interface Props {
  title: string;
  error: unknown;
  onRetry?: () => void;
}

/** The server's error message and reason. */
export function ProblemAlert({ title, error, onRetry }: Props) {
  const { message, reason } = problem(error);
  return (
    <Alert color="red" variant="outline" icon={<IconAlertTriangle aria-hidden />} title={title} role="alert">
      <Group justify="space-between" align="flex-end">
        <div>
          <Text size="sm">{message}</Text>
          {reason && <code className="reason">{reason}</code>}
        </div>
        {onRetry && (
          <Button size="xs" variant="default" onClick={onRetry}>
            Try again
          </Button>
        )}
      </Group>
    </Alert>
  );
}
