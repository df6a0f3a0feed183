import { Group, Loader, Paper, Text } from '@mantine/core';
import { useEffect, useState } from 'react';
import { useConnection } from '@/live/live';

/** Losses that are over by then are not worth a word. */
const QUIET_MS = 1500;

/** Says quietly that the page is not live just now; it goes on by itself. */
export function ConnectionBanner() {
  const lost = useConnection() === 'lost';
  const [shown, setShown] = useState(false);
  useEffect(() => {
    if (!lost) return setShown(false);
    const timer = setTimeout(() => setShown(true), QUIET_MS);
    return () => clearTimeout(timer);
  }, [lost]);
  return (
    <div role="status" aria-live="polite">
      {shown && (
        <Paper className="banner" withBorder px="md" py="xs">
          <Group gap="sm" wrap="nowrap">
            <Loader size={14} color="gray" />
            <Text size="sm">Connection lost. Reconnecting; nothing will be missed.</Text>
          </Group>
        </Paper>
      )}
    </div>
  );
}
