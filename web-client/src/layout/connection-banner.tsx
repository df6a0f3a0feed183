import { Group, Loader, Paper, Text } from '@mantine/core';
import { useCallback } from 'react';
import { moment } from '@/format/time';
import { useLive } from '@/live/live';
import { useTicking } from '@/ui/clock';
import { useLasting } from '@/ui/use-lasting';

/** Shows that the page is not live, and when its data is from. The watch reconnects by itself. */
export function ConnectionBanner() {
  const { connection, lostAt = 0 } = useLive();
  const shown = useLasting(connection === 'lost');
  const since = useTicking(useCallback((now) => moment(new Date(lostAt), now), [lostAt]));
  return (
    <div role="status" aria-live="polite">
      {shown && (
        <Paper className="banner" withBorder px="md" py="xs">
          <Group gap="sm" wrap="nowrap">
            <Loader size={14} color="gray" />
            <Text size="sm">Connection lost. Showing data from {since}, reconnecting…</Text>
          </Group>
        </Paper>
      )}
    </div>
  );
}
