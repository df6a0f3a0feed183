import { Alert, Button, CopyButton, Group, Stack, Text } from '@mantine/core';
import { IconAlertTriangle, IconCheck, IconCopy } from '@tabler/icons-react';
import { useEffect, useRef } from 'react';
import type { Token } from '@/gen/storeplane/v1/token_service_pb';
import { Until } from '@/ui/time';
import { hasOverlap } from './token-cells';

interface Props {
  issued: { token?: Token; secret: string };
  onClose: () => void;
}

/** A new secret. It is text and not a field, because browsers store what fields contain. */
export function Secret({ issued: { token, secret }, onClose }: Props) {
  const region = useRef<HTMLDivElement>(null);
  // No button gets the focus: the Enter that sent the form must not close what it brought.
  useEffect(() => region.current?.focus(), []);
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
      <code className="observed">{secret}</code>
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
          <CopyButton value={secret} timeout={2000}>
            {({ copied, copy }) => (
              <Button
                variant="default"
                leftSection={copied ? <IconCheck size={16} aria-hidden /> : <IconCopy size={16} aria-hidden />}
                onClick={copy}
              >
                {copied ? 'Copied' : 'Copy secret'}
              </Button>
            )}
          </CopyButton>
        )}
        <Button onClick={onClose}>I have saved it</Button>
      </Group>
    </Stack>
  );
}
