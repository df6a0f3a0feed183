import { Alert, Stack, Text } from '@mantine/core';
import { IconAlertTriangle } from '@tabler/icons-react';
import { useEffect, useRef } from 'react';
import { count } from '@/format/words';
import type { Rollout } from '@/gen/storeplane/v1/rollout_service_pb';
import { StoreEnvironment } from '@/gen/storeplane/v1/store_pb';
import { Facts } from './rollout-facts';
import { sizeText } from './rollout-text';

/** What the server says that a rollout would do. */
export function RolloutPreview({ rollout }: { rollout: Rollout }) {
  const { waves, target, counts } = rollout;
  const summary = useRef<HTMLDivElement>(null);
  // The form that had the focus is gone.
  useEffect(() => summary.current?.focus({ preventScroll: true }), []);
  return (
    <Stack gap="sm" ref={summary} tabIndex={-1} className="summary" data-testid="rollout-preview">
      <Text size="sm">
        {count(counts?.total ?? 0, 'store')} in {count(waves.length, 'wave')}, the newest first:
      </Text>
      <ol className="plain" aria-label="Waves">
        {waves.map((wave, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a wave is known by its place
          <Text component="li" size="sm" key={index}>
            Wave {index + 1}: <b>{count(wave.storeCount, 'store')}</b>{' '}
            <span className="dimmed">{sizeText(wave) && `(${sizeText(wave)})`}</span>
          </Text>
        ))}
      </ol>
      <Facts rollout={rollout} />
      {target?.store?.environment === StoreEnvironment.PRODUCTION && (
        <Alert color="yellow" variant="outline" icon={<IconAlertTriangle aria-hidden />} title="Before you start this">
          Shops that were staging begin to send e-mails and to take payments.
        </Alert>
      )}
    </Stack>
  );
}
