import { Group, Paper, Text } from '@mantine/core';
import { ListCards } from '@/ui/list-cards';
import { Ago } from '@/ui/time';
import { chart, Owner, ReleaseName, releaseKey, status } from './release-cells';
import type { ReleaseListProps } from './releases-table';

/** The releases on a phone. */
export function ReleaseCards({ releases, outdated }: ReleaseListProps) {
  return (
    <ListCards label="Helm releases" rows={releases} outdated={outdated} height={84}>
      {(release) => (
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
      )}
    </ListCards>
  );
}
