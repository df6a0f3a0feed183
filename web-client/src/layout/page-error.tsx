import { Anchor, Button, Stack, Text } from '@mantine/core';
import { type ErrorComponentProps, Link } from '@tanstack/react-router';
import { PageTitle } from '@/ui/page-title';

export function NotFound() {
  return (
    <Stack align="center" gap={6} py="xl" ta="center">
      <PageTitle tab="Page not found">Page not found</PageTitle>
      <Anchor component={Link} to="/">
        Go to Overview
      </Anchor>
    </Stack>
  );
}

/** A page failed to render. */
export function PageError({ error }: ErrorComponentProps) {
  return (
    <Stack align="flex-start" role="alert">
      <PageTitle tab="Error">Something went wrong</PageTitle>
      <Text className="dimmed wrap">{error instanceof Error ? error.message : String(error)}</Text>
      <Button onClick={() => window.location.reload()}>Reload</Button>
    </Stack>
  );
}
