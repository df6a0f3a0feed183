import { Button, Text } from '@mantine/core';
import type { ReactNode } from 'react';
import type { Session } from '@/gen/storeplane/v1/session_service_pb';
import { useGrantableRoles, useIsCaller } from '@/session/caller';
import { browserName } from './browser';
import { EndSessionDialog } from './end-session-dialog';

export interface SessionListProps {
  sessions: Session[] | undefined;
  /** True while the rows are those of the page before. */
  outdated: boolean;
  onDialog: (dialog: ReactNode) => void;
}

const KINDS: Record<string, string> = { token: 'a token', oidc: 'the identity provider' };

/** Who is signed in, and how. */
export function User({ session: { name, credentialKind } }: { session: Session }) {
  const isOwn = useIsCaller(name);
  return (
    <>
      <Text size="sm" fw={600} className="wrap">
        {name}
        {isOwn && ' (you)'}
      </Text>
      <Text size="xs" className="dimmed">
        with {KINDS[credentialKind] ?? credentialKind}
      </Text>
    </>
  );
}

/** Browser and address of the sign-in. */
export function Browser({ session: { userAgent, peer } }: { session: Session }) {
  return (
    <>
      <span title={userAgent}>{browserName(userAgent)}</span>
      <Text className="mono dimmed wrap">{peer}</Text>
    </>
  );
}

/** Ends the session, unless its role is above the caller's. */
export function SessionAction({ session, onDialog }: { session: Session } & Pick<SessionListProps, 'onDialog'>) {
  const isManageable = useGrantableRoles().includes(session.role);
  if (!isManageable) return null;
  return (
    <Button
      size="xs"
      variant="outline"
      color="red"
      aria-label={`Revoke session of ${session.name}`}
      onClick={() => onDialog(<EndSessionDialog session={session} />)}
    >
      Revoke
    </Button>
  );
}
