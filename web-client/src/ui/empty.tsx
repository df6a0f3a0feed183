import { Stack, Text } from '@mantine/core';
import type { ReactNode } from 'react';

/** Shown where a list is empty, with what to do about it. */
export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <Stack align="center" gap={6} py="xl" ta="center">
      <Text fw={600}>{title}</Text>
      {children && (
        <Text component="div" size="sm" className="dimmed" maw={420}>
          {children}
        </Text>
      )}
    </Stack>
  );
}
