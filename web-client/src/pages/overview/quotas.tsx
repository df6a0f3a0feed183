import { Group, Progress, Stack, Text } from '@mantine/core';
import { quotaAmount, quotaTitle } from '@/format/quota';
import type { QuotaUse } from '@/gen/storeplane/v1/platform_pb';
import { Panel } from '@/ui/panel';

/** How much of each limit is used. */
export function Quotas({ quotas }: { quotas: QuotaUse[] }) {
  if (quotas.length === 0) return null;
  return (
    <Panel title="Quota">
      <Stack gap="sm">
        {quotas.map(({ name, used, limit }) => (
          <div key={name}>
            <Group justify="space-between">
              <Text size="sm">{quotaTitle(name)}</Text>
              <Text size="sm" className="numbers">
                {quotaAmount(name, used)} of {quotaAmount(name, limit)}
              </Text>
            </Group>
            <Progress
              value={limit > 0n ? Math.min((Number(used) / Number(limit)) * 100, 100) : 100}
              aria-label={quotaTitle(name)}
            />
          </div>
        ))}
      </Stack>
    </Panel>
  );
}
