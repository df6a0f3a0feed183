import { Alert, NativeSelect, Text } from '@mantine/core';
import { useState } from 'react';
import { useApi } from '@/api/api';
import { violationsOf } from '@/api/problem';
import { TOKENS } from '@/api/queries';
import type { Token } from '@/gen/storeplane/v1/token_service_pb';
import { ConfirmDialog } from '@/ui/confirm-dialog';
import { RequestProblem } from '@/ui/request-problem';
import { Until } from '@/ui/time';
import { useDialogRequest } from '@/ui/use-dialog-request';
import { issued } from './issued';
import { DEFAULT_LIFETIME, DEFAULT_OVERLAP, LIFETIMES, lifetime, OVERLAPS, overlap } from './lifetimes';
import { Secret } from './secret';
import { hasOverlap, useIsOwn } from './token-cells';

/** Replaces a token's secret and shows the new one. */
export function RotateDialog({ token }: { token: Token }) {
  const { clients } = useApi();
  const { tokenId, name } = token;
  const isOwn = useIsOwn(token);
  const [days, setDays] = useState(DEFAULT_LIFETIME);
  const [hours, setHours] = useState(DEFAULT_OVERLAP);
  const rotation = useDialogRequest(
    [TOKENS],
    (requestId, signal) =>
      issued(
        clients.tokens.rotateToken({ tokenId, ttl: lifetime(days), overlap: overlap(hours), requestId }, { signal }),
      ),
    { opensAtOnce: true, showsResult: true },
  );
  const violations = violationsOf(rotation.error);
  const result = rotation.data;
  return (
    <ConfirmDialog
      {...rotation.dialog}
      title={result ? `New secret of ${name}` : `Rotate ${name}?`}
      action="Rotate token"
      result={result && <Secret issued={result} onClose={rotation.close} />}
    >
      <Text size="sm">The token gets a new secret. Its name, role and history stay.</Text>
      {hasOverlap(token) && (
        <Alert color="yellow" variant="outline" title="Two secrets work now">
          The one before the last rotation would work until it ends <Until time={token.previousSecretExpireTime} />. It
          ends at once if you rotate again.
        </Alert>
      )}
      {isOwn && (
        <Alert color="yellow" variant="outline" title="You are signed in with this token">
          Your session ends with the current secret. Sign in again with the new one.
        </Alert>
      )}
      <NativeSelect
        label="Current secret"
        disabled={rotation.isPending}
        value={hours}
        // A session that ends at once would hide the new secret behind the sign-in.
        data={isOwn ? OVERLAPS.filter(({ value }) => value !== '0') : OVERLAPS}
        error={violations.get('overlap')}
        onChange={(event) => setHours(event.currentTarget.value)}
      />
      <NativeSelect
        label="New secret expires after"
        disabled={rotation.isPending}
        value={days}
        data={LIFETIMES}
        error={violations.get('ttl')}
        onChange={(event) => setDays(event.currentTarget.value)}
      />
      <RequestProblem title="The token was not rotated" error={rotation.error} fields={['overlap', 'ttl']} />
    </ConfirmDialog>
  );
}
