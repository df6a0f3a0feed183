import type { Transport } from '@connectrpc/connect';
import { MantineProvider } from '@mantine/core';
import { type QueryClient, QueryClientProvider, useQueryClient } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { type ReactNode, useEffect } from 'react';
import { ApiProvider } from './api/api';
import { LiveProvider } from './live/live';
import { nonce } from './nonce';
import type { createAppRouter } from './router';
import { LinkSignInDialog, LinkSignInPage } from './session/link-sign-in';
import { session, useSessionStatus, useSignInLink } from './session/session';
import { CheckingPage, SignInAgain, SignInPage } from './session/sign-in';
import { theme } from './theme';

interface ProvidersProps {
  transport: Transport;
  queryClient: QueryClient;
  children: ReactNode;
}

export function Providers({ transport, queryClient, children }: ProvidersProps) {
  return (
    <MantineProvider theme={theme} defaultColorScheme="auto" getStyleNonce={() => nonce}>
      <QueryClientProvider client={queryClient}>
        <ApiProvider transport={transport}>{children}</ApiProvider>
      </QueryClientProvider>
    </MantineProvider>
  );
}

export function App({ router }: { router: ReturnType<typeof createAppRouter> }) {
  const status = useSessionStatus();
  const { code } = useSignInLink();
  useResetOnNewSession();
  if (status === 'checking') return <CheckingPage />;
  if (status === 'out') return code ? <LinkSignInPage code={code} /> : <SignInPage />;
  return (
    <LiveProvider>
      <RouterProvider router={router} />
      <SignInAgain />
      <LinkSignInDialog />
    </LiveProvider>
  );
}

/** Discards cached data when somebody signs in or out. */
function useResetOnNewSession(): void {
  const queryClient = useQueryClient();
  useEffect(() => {
    let last = session.generation();
    return session.subscribe(() => {
      const generation = session.generation();
      if (session.status() === 'out') queryClient.clear();
      else if (generation !== last) void queryClient.resetQueries();
      last = generation;
    });
  }, [queryClient]);
}
