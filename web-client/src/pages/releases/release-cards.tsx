import { Group, Paper, Skeleton, Text } from '@mantine/core';
import { Ago } from '@/ui/time';
import { chart, Owner, ReleaseName, releaseKey, status } from './release-cells';
import type { ReleaseListProps } from './releases-table';

/** The releases on a phone. */
export function ReleaseCards({ releases, outdated }: ReleaseListProps) {
  return (
    <ul
      className="plain cards"
      aria-label="Helm releases"
      aria-busy={!releases || outdated}
      data-outdated={outdated || undefined}
    >
      {!releases && [1, 2, 3, 4, 5].map((card) => <Skeleton key={card} component="li" height={84} />)}
      {releases?.map((release) => (
        <Paper component="li" withBorder p="sm" key={releaseKey(release)}>
          <ReleaseName release={release} />
          <Owner release={release} />
          <Group justify="space-between" gap="xs">
            <Text size="sm">
              {status(release)}, revision {release.revision}
            </Text>
            <Text size="xs" className="dimmed">
              <Ago time={release.updateTime} />
            </Text>
          </Group>
          <Text size="xs" className="dimmed">
            {chart(release)}
          </Text>
        </Paper>
      ))}
    </ul>
  );
}
