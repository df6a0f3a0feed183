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
import { session, useLinkToken, useSessionStatus } from './session/session';
import { SignInAgain, SignInPage } from './session/sign-in';
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
  const linkToken = useLinkToken();
  useResetOnNewToken();
  if (status === 'out') return linkToken ? <LinkSignInPage token={linkToken} /> : <SignInPage />;
  return (
    <LiveProvider>
      <RouterProvider router={router} />
      <SignInAgain />
      <LinkSignInDialog />
    </LiveProvider>
  );
}

/** Discards cached data when the token changes. */
function useResetOnNewToken(): void {
  const queryClient = useQueryClient();
  useEffect(() => {
    let last = session.token();
    return session.subscribe(() => {
      const token = session.token();
      if (session.status() === 'out') queryClient.clear();
      else if (token && token !== last) void queryClient.resetQueries();
      if (token) last = token;
    });
  }, [queryClient]);
}
