import { Alert, Button, Group, Stack, Text } from '@mantine/core';
import { useClipboard } from '@mantine/hooks';
import { IconAlertTriangle, IconCheck, IconCopy } from '@tabler/icons-react';
import { useEffect, useRef } from 'react';
import { Until } from '@/ui/time';
import type { Issued } from './issued';
import { hasOverlap } from './token-cells';

interface Props {
  issued: Issued;
  onClose: () => void;
}

/**
 * A new secret, which is forgotten when this disappears. It is text and not a field, because browsers store what fields
 * contain.
 */
export function Secret({ issued: { token, secret }, onClose }: Props) {
  const region = useRef<HTMLDivElement>(null);
  // No button gets the focus: the Enter that sent the form must not close what it brought.
  useEffect(() => region.current?.focus(), []);
  useEffect(() => () => secret.forget(), [secret]);
  const { copied, copy } = useClipboard({ timeout: 2000 });
  return (
    <Stack ref={region} tabIndex={-1} role="group" aria-label="Secret" className="secret">
      <Alert
        color="yellow"
        variant="outline"
        icon={<IconAlertTriangle aria-hidden />}
        title="Copy the secret now: it is shown only once"
      >
        It isn't stored anywhere and can't be read again. If it is lost, rotate the token.
      </Alert>
      <code className="observed">{secret.reveal()}</code>
      {token?.expireTime && (
        <Text size="sm" className="dimmed">
          Expires <Until time={token.expireTime} />.
          {hasOverlap(token) && (
            <>
              {' '}
              The secret before it ends <Until time={token.previousSecretExpireTime} />.
            </>
          )}
        </Text>
      )}
      <Group justify="flex-end">
        {/* Browsers offer the clipboard on https and localhost only. */}
        {window.isSecureContext && (
          <Button
            variant="default"
            leftSection={copied ? <IconCheck size={16} aria-hidden /> : <IconCopy size={16} aria-hidden />}
            onClick={() => copy(secret.reveal())}
          >
            {copied ? 'Copied' : 'Copy secret'}
          </Button>
        )}
        <Button onClick={onClose}>I have saved it</Button>
      </Group>
    </Stack>
  );
}
