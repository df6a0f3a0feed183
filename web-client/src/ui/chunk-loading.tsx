import { Skeleton, Text } from '@mantine/core';

/** Stands for a page or panel whose chunk is not there. */
export function ChunkLoading({ failed }: { failed: boolean }) {
  if (!failed) return <Skeleton height={140} aria-busy />;
  return (
    <Text size="sm" className="dimmed">
      The code of this part couldn't be loaded. It is loaded again once the server can be reached.
    </Text>
  );
}
