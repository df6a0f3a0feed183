import { Code } from '@connectrpc/connect';
import { Button, Modal, Paper, PasswordInput, Stack, Text, Title } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { type FormEvent, type ReactNode, useState } from 'react';
import { useApi } from '@/api/api';
import { problem } from '@/api/problem';
import { Logo } from '@/ui/logo';
import { session, useSessionStatus } from './session';

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

/** Opens over the page when the server rejects the token; unsaved input stays. */
export function SignInAgain() {
  const expired = useSessionStatus() === 'expired';
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
        <Text size="sm">Your token was revoked or has expired. This page and anything you typed are unchanged.</Text>
        <SignInForm />
        <Button variant="subtle" color="gray" onClick={() => session.signOut()}>
          Sign out
        </Button>
      </Stack>
    </Modal>
  );
}

export function SignInForm() {
  const { clients } = useApi();
  const [token, setToken] = useState('');
  const check = useMutation({
    mutationFn: (token: string) => clients.platform.getOverview({}, { headers: { authorization: `Bearer ${token}` } }),
    onSuccess: (_, token) => session.signIn(token),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (token.trim()) check.mutate(token.trim());
  };
  return (
    <form onSubmit={submit}>
      <Stack>
        <PasswordInput
          label="Token"
          description="Printed by `make up` or `storeplane-server token create`"
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

function explain(error: unknown): string {
  const { code, message } = problem(error);
  return code === Code.Unauthenticated ? 'This token is unknown, was revoked or has expired.' : message;
}
