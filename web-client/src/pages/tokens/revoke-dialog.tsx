import { Alert, Text } from '@mantine/core';
import { useApi } from '@/api/api';
import { TOKENS } from '@/api/queries';
import type { Token } from '@/gen/storeplane/v1/token_service_pb';
import { ConfirmDialog } from '@/ui/confirm-dialog';
import { RequestProblem } from '@/ui/request-problem';
import { useDialogRequest } from '@/ui/use-dialog-request';
import { useIsOwn } from './token-cells';

/** Revokes a token, once its name was typed. */
export function RevokeDialog({ token }: { token: Token }) {
  const { clients } = useApi();
  const { tokenId, name } = token;
  const isOwn = useIsOwn(token);
  const revocation = useDialogRequest(
    [TOKENS],
    (requestId, signal) => clients.tokens.revokeToken({ tokenId, requestId }, { signal }),
    { opensAtOnce: true },
  );
  return (
    <ConfirmDialog {...revocation.dialog} title={`Revoke ${name}?`} phrase={name} action="Revoke token" color="red">
      <Text size="sm">
        Its calls are refused within 5 seconds, and its watches and sessions end. This can't be undone.
      </Text>
      {isOwn && (
        <Alert color="yellow" variant="outline" title="You are signed in with this token">
          Your session ends too.
        </Alert>
      )}
      <RequestProblem title="The token was not revoked" error={revocation.error} />
    </ConfirmDialog>
  );
}
