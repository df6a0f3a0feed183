import { Code } from '@connectrpc/connect';
import { Button, Modal, Paper, PasswordInput, Stack, Text, Title } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { useApi } from '@/api/api';
import { problem } from '@/api/problem';
import { Logo } from '@/ui/logo';
import { session, useSessionStatus } from './session';

/** The whole page while nobody is signed in. */
export function SignInPage() {
  return (
    <main className="sign-in">
      <Paper withBorder p="xl" shadow="sm" w="100%" maw={420}>
        <Stack>
          <Logo />
          <Title order={1} size="h3">
            Sign in
          </Title>
          <SignInForm />
        </Stack>
      </Paper>
    </main>
  );
}

/** Over the page, when the token is not taken any more: what was typed stays where it is. */
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
        <Text size="sm">
          The server does not take your token any more: it was revoked, or it is over. What you typed is still here.
        </Text>
        <SignInForm />
        <Button variant="subtle" color="gray" onClick={() => session.signOut()}>
          Leave instead
        </Button>
      </Stack>
    </Modal>
  );
}

function SignInForm() {
  const { clients } = useApi();
  const queryClient = useQueryClient();
  const [token, setToken] = useState('');
  const trial = useMutation({
    mutationFn: (token: string) => clients.platform.getOverview({}, { headers: { authorization: `Bearer ${token}` } }),
    onSuccess: (_, token) => {
      session.signIn(token);
      void queryClient.resetQueries();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (token.trim()) trial.mutate(token.trim());
  };
  return (
    <form onSubmit={submit}>
      <Stack>
        <PasswordInput
          label="Token"
          description="As `make up` or `storeplane-server token create` printed it"
          placeholder="spt_…"
          autoComplete="off"
          data-autofocus
          autoFocus
          value={token}
          onChange={(event) => setToken(event.currentTarget.value)}
          error={trial.error && explain(trial.error)}
          visibilityToggleButtonProps={{ 'aria-label': 'Show or hide the token' }}
        />
        <Button type="submit" loading={trial.isPending}>
          Sign in
        </Button>
      </Stack>
    </form>
  );
}

function explain(error: unknown): string {
  const { code, message } = problem(error);
  return code === Code.Unauthenticated ? 'The server does not know this token, or it was revoked.' : message;
}
