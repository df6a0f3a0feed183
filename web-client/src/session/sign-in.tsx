import { Alert, Button, Center, Divider, Loader, Modal, Paper, PasswordInput, Stack, Text, Title } from '@mantine/core';
import { useMutation, useQuery } from '@tanstack/react-query';
import { type FormEvent, type ReactNode, useEffect, useState } from 'react';
import { useApi } from '@/api/api';
import { DEFAULT_WINDOW_HOURS } from '@/api/queries';
import { Logo } from '@/ui/logo';
import { providerUrl, readProvider, SignInError, signIn, signOut } from './requests';
import { session, useSessionStatus, useSignInLink } from './session';

/** Asks the server whether the browser's cookie is a session; the answer changes the session's status. */
export function CheckingPage() {
  const { queries } = useApi();
  // The page that follows shows this overview.
  const { isSuccess, isError } = useQuery({ ...queries.overview(DEFAULT_WINDOW_HOURS), retry: false });
  // Any other error than an ended session is shown by the pages.
  useEffect(() => {
    if (isSuccess || isError) session.confirm();
  }, [isSuccess, isError]);
  return (
    <Center component="main" h="100vh">
      <Loader aria-label="Loading" />
    </Center>
  );
}

/** The whole page while nobody is signed in. */
export function SignInPage() {
  return (
    <FullPage title="Sign in">
      <SignInForm />
    </FullPage>
  );
}

export function FullPage({ title, children }: { title: string; children: ReactNode }) {
  return (
    <main className="sign-in">
      <Paper withBorder p="xl" shadow="sm" w="100%" maw={420}>
        <Stack>
          <Logo />
          <Title order={1} size="h3">
            {title}
          </Title>
          {children}
        </Stack>
      </Paper>
    </main>
  );
}

/** Opens over the page when the session has ended; unsaved input stays. */
export function SignInAgain() {
  const expired = useSessionStatus() === 'expired';
  const leave = useMutation({ mutationFn: signOut, onSettled: () => session.signedOut() });
  return (
    <Modal
      opened={expired}
      onClose={() => undefined}
      withCloseButton={false}
      closeOnEscape={false}
      closeOnClickOutside={false}
      title="Sign in again"
    >
      <Stack>
        <Text size="sm">
          Your session has ended, or its token was revoked or has expired. With a token, this page and anything you
          typed stay unchanged.
        </Text>
        <SignInForm />
        <Button variant="subtle" color="gray" onClick={() => leave.mutate()}>
          Sign out
        </Button>
      </Stack>
    </Modal>
  );
}

export function SignInForm() {
  const [token, setToken] = useState('');
  const { error } = useSignInLink();
  const check = useMutation({
    mutationFn: (token: string) => signIn({ token }, false),
    onSuccess: () => session.signedIn(),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (token.trim()) check.mutate(token.trim());
  };
  return (
    <form onSubmit={submit}>
      <Stack>
        {error && (
          <Alert color="red" variant="outline" role="alert">
            {FAILURES[error] ?? FAILURES.refused}
          </Alert>
        )}
        <ProviderButton />
        <PasswordInput
          label="Token"
          description="Created by `storeplane-server token create`"
          placeholder="spt_…"
          autoComplete="off"
          data-autofocus
          autoFocus
          value={token}
          onChange={(event) => setToken(event.currentTarget.value)}
          error={check.error && explain(check.error)}
          visibilityToggleButtonProps={{ 'aria-label': 'Show or hide the token' }}
        />
        <Button type="submit" loading={check.isPending}>
          Sign in
        </Button>
      </Stack>
    </form>
  );
}

/** Leaves the page for the identity provider, if there is one. */
function ProviderButton() {
  const { data: provider } = useQuery({ queryKey: ['provider'], retry: false, queryFn: readProvider });
  if (!provider) return null;
  return (
    <>
      <Button component="a" href={providerUrl(window.location)}>
        Sign in with {provider}
      </Button>
      <Divider label="or" />
    </>
  );
}

/** What the server says in the address after a failed sign-in with the identity provider. */
const FAILURES: Record<string, string> = {
  unavailable: "The identity provider can't be reached. Try again later.",
  'not-begun': 'This sign-in was not started in this browser, or took too long. Try again.',
  'not-mapped': 'You have no role here. Ask an administrator for access.',
  'email-not-verified': 'Your email address is not verified at the identity provider.',
  refused: "The identity provider's answer was not accepted. The server's log has the reason.",
};

function explain(error: unknown): string {
  const reason = error instanceof SignInError ? error.reason : '';
  if (reason === 'TOKEN_INVALID' || reason === 'TOKEN_EXPIRED')
    return 'This token is unknown, was revoked or has expired.';
  if (reason === 'SIGNED_IN') return 'This browser is signed in already, in another tab. Reload the page.';
  return error instanceof Error ? error.message : String(error);
}
