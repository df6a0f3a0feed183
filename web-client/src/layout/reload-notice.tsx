import { Button, Group, Paper, Text } from '@mantine/core';
import { useEffect, useState } from 'react';
import { useCaller } from '@/session/caller';

/** Offers a reload once another server version answers, or a script of this version can't be loaded. */
export function ReloadNotice() {
  const version = useCaller().data?.serverVersion;
  const [first, setFirst] = useState<string>();
  const [missing, setMissing] = useState(false);
  const [later, setLater] = useState<string>();
  if (version && !first) setFirst(version);
  useEffect(() => {
    const onMissing = () => setMissing(true);
    window.addEventListener('vite:preloadError', onMissing);
    return () => window.removeEventListener('vite:preloadError', onMissing);
  }, []);
  const outdated = missing || (version !== undefined && version !== first && version !== later);
  if (!outdated) return null;
  return (
    <Paper className="banner" withBorder px="md" py="xs" role="status">
      <Group gap="md" wrap="nowrap">
        <Text size="sm">A new version of the dashboard is available.</Text>
        <Button size="xs" onClick={() => window.location.reload()}>
          Reload
        </Button>
        {!missing && (
          <Button size="xs" variant="subtle" color="gray" onClick={() => setLater(version)}>
            Later
          </Button>
        )}
      </Group>
    </Paper>
  );
}
