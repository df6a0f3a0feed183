import { Anchor, Button, Stack, Text, Title } from '@mantine/core';
import { type ErrorComponentProps, Link } from '@tanstack/react-router';
import { Empty } from '@/ui/empty';

export function NotFound() {
  return (
    <Empty title="There is no such page">
      <Anchor component={Link} to="/">
        Go to the overview
      </Anchor>
    </Empty>
  );
}

/** A mistake of ours, or a part of the page that a newer server does not have any more: a reload mends the latter. */
export function PageError({ error }: ErrorComponentProps) {
  return (
    <Stack align="flex-start" role="alert">
      <Title order={1} size="h3">
        This page did not work
      </Title>
      <Text className="dimmed wrap">{error instanceof Error ? error.message : String(error)}</Text>
      <Button onClick={() => window.location.reload()}>Reload</Button>
    </Stack>
  );
}
