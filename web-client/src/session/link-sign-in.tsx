import { Button, Group, Loader, Modal, Stack, Text } from '@mantine/core';
import { useMutation, useQuery } from '@tanstack/react-query';
import { ProblemAlert } from '@/ui/problem-alert';
import { useCaller } from './caller';
import { readCode, type SignedIn, SignInError, signIn } from './requests';
import { session, useSignInLink } from './session';
import { FullPage, SignInForm } from './sign-in';

/** The whole page when a link with a one-time code was opened and nobody is signed in. */
export function LinkSignInPage({ code }: { code: string }) {
  const owner = useCodeOwner(code);
  return (
    <FullPage title="Sign in">
      {isRejected(owner.error) ? (
        <>
          <Text size="sm" role="alert">
            The code in this link is unknown, was used, or has expired. Sign in with a token, or get another link.
          </Text>
          <SignInForm />
        </>
      ) : (
        <Confirmation code={code} owner={owner} dismiss="Sign in another way" replace={false} />
      )}
    </FullPage>
  );
}

/** Asks for confirmation before a link replaces the current session. */
export function LinkSignInDialog() {
  const { code } = useSignInLink();
  return (
    <Modal
      opened={code !== undefined}
      onClose={() => session.dismissLink()}
      title="Switch to another account?"
      closeButtonProps={{ 'aria-label': 'Close' }}
    >
      {code && <Switch code={code} />}
    </Modal>
  );
}

function Switch({ code }: { code: string }) {
  const owner = useCodeOwner(code);
  const current = useCaller().data?.caller;
  return (
    <Stack>
      {current && <Text size="sm">You are signed in as {describe(current)}.</Text>}
      <Confirmation code={code} owner={owner} dismiss="Keep the current session" replace />
    </Stack>
  );
}

interface ConfirmationProps {
  code: string;
  owner: ReturnType<typeof useCodeOwner>;
  dismiss: string;
  replace: boolean;
}

function Confirmation({ code, owner, dismiss, replace }: ConfirmationProps) {
  const confirm = useMutation({ mutationFn: () => signIn({ code }, replace), onSuccess: () => session.signedIn() });
  const error = confirm.error ?? owner.error;
  return (
    <Stack>
      {owner.isPending && <Loader size="sm" aria-label="Checking the code" />}
      {error && (
        <ProblemAlert
          title="The code in this link can't be used"
          error={error}
          onRetry={isRejected(error) ? undefined : () => (confirm.error ? confirm.mutate() : owner.refetch())}
        />
      )}
      {owner.data && (
        <Text size="sm">
          This link signs you in as {describe(owner.data)}. Continue only if you trust where it came from.
        </Text>
      )}
      <Group justify="flex-end">
        <Button variant="default" onClick={() => session.dismissLink()} data-autofocus>
          {dismiss}
        </Button>
        <Button disabled={!owner.data} loading={confirm.isPending} onClick={() => confirm.mutate()}>
          Sign in
        </Button>
      </Group>
    </Stack>
  );
}

/** As whom this code signs in. That does not use it up. */
function useCodeOwner(code: string) {
  return useQuery({ queryKey: ['code-owner', code], gcTime: 0, retry: false, queryFn: () => readCode(code) });
}

function isRejected(error: unknown): boolean {
  return error instanceof SignInError && ['TOKEN_INVALID', 'TOKEN_EXPIRED'].includes(error.reason);
}

function describe({ name, role, tenant }: SignedIn) {
  return (
    <b>
      {name} ({role}, tenant {tenant})
    </b>
  );
}
