import type { Transport } from '@connectrpc/connect';
import { MantineProvider } from '@mantine/core';
import { type QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { ApiProvider } from './api/api';
import { LiveProvider } from './live/live';
import { nonce } from './nonce';
import type { createAppRouter } from './router';
import { useSessionStatus } from './session/session';
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
  if (useSessionStatus() === 'out') return <SignInPage />;
  return (
    <LiveProvider>
      <RouterProvider router={router} />
      <SignInAgain />
    </LiveProvider>
  );
}
