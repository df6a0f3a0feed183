import { Stack } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useApi } from '@/api/api';
import type { Operation } from '@/gen/storeplane/v1/operation_pb';
import { type Store, StoreState } from '@/gen/storeplane/v1/store_pb';
import { Empty } from '@/ui/empty';
import { Panel } from '@/ui/panel';
import { QueryProblem } from '@/ui/query-problem';
import { AddDomain } from './add-domain';
import { DomainCard } from './domain-card';

export interface DomainsPanelProps {
  store: Store;
  /** The operation that is running, if any. */
  running: Operation | undefined;
  canEdit: boolean;
}

/** The custom domains of a store. */
export function DomainsPanel({ store, running, canEdit }: DomainsPanelProps) {
  const { queries } = useApi();
  const query = useQuery(queries.domains(store));
  const domains = query.data?.domains ?? [];
  const canChange = canEdit && store.state !== StoreState.DELETING;
  return (
    <Panel title="Domains" mih={120} aside={canChange && <AddDomain store={store} />}>
      <QueryProblem title="The domains couldn't be loaded" query={query} />
      {query.data && domains.length === 0 && (
        <Empty title="No custom domains">Customers reach the shop at {store.host}.</Empty>
      )}
      <Stack component="ul" gap="lg" m={0} p={0} style={{ listStyle: 'none' }}>
        {domains.map((domain) => (
          <DomainCard
            key={domain.domain}
            store={store}
            domain={domain}
            isBusy={running !== undefined}
            canEdit={canChange}
          />
        ))}
      </Stack>
    </Panel>
  );
}
