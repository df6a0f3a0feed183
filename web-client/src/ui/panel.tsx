import { Group, Paper, type PaperProps, Title } from '@mantine/core';
import { type ReactNode, useId } from 'react';

interface Props extends PaperProps {
  title: string;
  /** At the right of the title, or below it where there is no room. */
  aside?: ReactNode;
  children: ReactNode;
}

/** A titled section of a page. */
export function Panel({ title, aside, children, ...paper }: Props) {
  const id = useId();
  return (
    <Paper component="section" withBorder p="md" aria-labelledby={id} {...paper}>
      <Group justify="space-between" mb="sm" mih={28} gap="xs">
        <Title order={2} size="h5" id={id}>
          {title}
        </Title>
        {aside}
      </Group>
      {children}
    </Paper>
  );
}
