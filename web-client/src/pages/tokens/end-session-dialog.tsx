import { Alert, Checkbox, Text } from '@mantine/core';
import { useState } from 'react';
import { useApi } from '@/api/api';
import { SESSIONS } from '@/api/queries';
import type { Session } from '@/gen/storeplane/v1/session_service_pb';
import { useIsCaller } from '@/session/caller';
import { ConfirmDialog } from '@/ui/confirm-dialog';
import { RequestProblem } from '@/ui/request-problem';
import { useDialogRequest } from '@/ui/use-dialog-request';

/** Ends one session, or all of the same user or token. */
export function EndSessionDialog({ session: { sessionId, credentialId, name } }: { session: Session }) {
  const { clients } = useApi();
  const isOwn = useIsCaller(name);
  const [all, setAll] = useState(false);
  const revocation = useDialogRequest(
    [SESSIONS],
    (_, signal) => clients.sessions.revokeSessions(all ? { credentialId } : { sessionId }, { signal }),
    { opensAtOnce: true },
  );
  return (
    <ConfirmDialog
      {...revocation.dialog}
      title={all ? `Revoke all sessions of ${name}?` : `Revoke the session of ${name}?`}
      action={all ? 'Revoke sessions' : 'Revoke session'}
      color="red"
    >
      <Text size="sm">
        Its browser is signed out within seconds. The user can sign in again if the identity provider, or the token,
        still permits it.
      </Text>
      <Checkbox
        label={`All sessions of ${name}`}
        checked={all}
        disabled={revocation.isPending}
        onChange={(event) => setAll(event.currentTarget.checked)}
      />
      {isOwn && (
        <Alert color="yellow" variant="outline" title="This session may be yours">
          If it is, you will be signed out.
        </Alert>
      )}
      <RequestProblem
        title={all ? 'The sessions were not revoked' : 'The session was not revoked'}
        error={revocation.error}
      />
    </ConfirmDialog>
  );
}
