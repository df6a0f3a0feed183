import { Code } from '@connectrpc/connect';
import { Button, Group, Loader, Modal, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useApi } from '@/api/api';
import { problem } from '@/api/problem';
import type { Caller } from '@/gen/storeplane/v1/platform_pb';
import { ProblemAlert } from '@/ui/problem-alert';
import { useCaller } from './caller';
import { session, useLinkToken } from './session';
import { FullPage, SignInForm } from './sign-in';

/** The whole page when a link with a token was opened and nobody is signed in. */
export function LinkSignInPage({ token }: { token: string }) {
  const caller = useTokenCaller(token);
  const isRejected = caller.error && problem(caller.error).code === Code.Unauthenticated;
  return (
    <FullPage title="Sign in">
      {isRejected ? (
        <>
          <Text size="sm" role="alert">
            The token in this link is unknown, was revoked or has expired. Sign in with another one.
          </Text>
          <SignInForm />
        </>
      ) : (
        <Confirmation token={token} caller={caller} dismiss="Use another token" />
      )}
    </FullPage>
  );
}

/** Asks for confirmation before a link replaces the current session. */
export function LinkSignInDialog() {
  const token = useLinkToken();
  return (
    <Modal
      opened={token !== null}
      onClose={() => session.dismissLinkToken()}
      title="Switch to another token?"
      closeButtonProps={{ 'aria-label': 'Close' }}
    >
      {token && <Switch token={token} />}
    </Modal>
  );
}

function Switch({ token }: { token: string }) {
  const caller = useTokenCaller(token);
  const current = useCaller().data?.caller;
  return (
    <Stack>
      {current && <Text size="sm">You are signed in as {describe(current)}.</Text>}
      <Confirmation token={token} caller={caller} dismiss="Keep the current session" />
    </Stack>
  );
}

interface ConfirmationProps {
  token: string;
  caller: ReturnType<typeof useTokenCaller>;
  dismiss: string;
}

function Confirmation({ token, caller, dismiss }: ConfirmationProps) {
  return (
    <Stack>
      {caller.isPending && <Loader size="sm" aria-label="Checking the token" />}
      {caller.error && (
        <ProblemAlert title="The token in this link can't be used" error={caller.error} onRetry={caller.refetch} />
      )}
      {caller.data && (
        <Text size="sm">
          This link signs you in as {describe(caller.data)}. Continue only if you trust where it came from.
        </Text>
      )}
      <Group justify="flex-end">
        <Button variant="default" onClick={() => session.dismissLinkToken()} data-autofocus>
          {dismiss}
        </Button>
        <Button disabled={!caller.data} onClick={() => session.signIn(token)}>
          Sign in
        </Button>
      </Group>
    </Stack>
  );
}

/** Whose token this is. */
function useTokenCaller(token: string) {
  const { clients } = useApi();
  return useQuery({
    queryKey: ['token-caller', token],
    gcTime: 0,
    retry: false,
    queryFn: async ({ signal }) => {
      const headers = { authorization: `Bearer ${token}` };
      const { caller } = await clients.platform.getOverview({}, { headers, signal });
      if (!caller) throw new Error('the server did not say whose token it is');
      return caller;
    },
  });
}

function describe({ name, role, tenant }: Caller) {
  return (
    <b>
      {name} ({role}, tenant {tenant})
    </b>
  );
}
