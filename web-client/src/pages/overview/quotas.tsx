import { Group, Progress, Stack, Text } from '@mantine/core';
import { words } from '@/format/words';
import type { QuotaUse } from '@/gen/storeplane/v1/platform_pb';
import { Panel } from '@/ui/panel';

/** How much of each limit is used. */
export function Quotas({ quotas }: { quotas: QuotaUse[] }) {
  const limited = quotas.filter(({ limit }) => limit > 0n);
  if (limited.length === 0) return null;
  return (
    <Panel title="Quota">
      <Stack gap="sm">
        {limited.map(({ name, used, limit }) => (
          <div key={name}>
            <Group justify="space-between">
              <Text size="sm">{words(name)}</Text>
              <Text size="sm" className="numbers">
                {used.toLocaleString()} of {limit.toLocaleString()}
              </Text>
            </Group>
            <Progress value={(Number(used) / Number(limit)) * 100} aria-label={words(name)} />
          </div>
        ))}
      </Stack>
    </Panel>
  );
}
