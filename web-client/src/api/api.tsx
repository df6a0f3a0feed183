import type { Transport } from '@connectrpc/connect';
import { QueryClient } from '@tanstack/react-query';
import { createContext, type ReactNode, use, useMemo } from 'react';
import { type Clients, createClients } from './clients';
import { isTransient } from './problem';
import { createQueries, type Queries } from './queries';

export interface Api {
  clients: Clients;
  queries: Queries;
}

const Context = createContext<Api | null>(null);

export function ApiProvider({ transport, children }: { transport: Transport; children: ReactNode }) {
  const api = useMemo(() => {
    const clients = createClients(transport);
    return { clients, queries: createQueries(clients) };
  }, [transport]);
  return <Context value={api}>{children}</Context>;
}

export function useApi(): Api {
  const api = use(Context);
  if (!api) throw new Error('ApiProvider is missing');
  return api;
}

/** The query cache. The watch keeps it fresh; `staleTime` is the fallback. */
export function createQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 30_000,
        structuralSharing: false,
        refetchOnWindowFocus: false,
        refetchOnReconnect: false,
        networkMode: 'always',
        retry: (failures, error) => failures < 3 && isTransient(error),
        retryDelay: (attempt) => Math.min(500 * 2 ** attempt, 4000),
      },
      // Mutations retry in `withRetries`, where they can be aborted.
      mutations: { networkMode: 'always', retry: false },
    },
  });
}
