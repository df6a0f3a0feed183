import { Button, Group, Stack, Text, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { useApi } from '@/api/api';
import { SEARCH_FIELD } from '@/layout/shortcuts';
import { useCanAudit } from '@/session/caller';
import { ChoiceFilter } from '@/ui/choice-filter';
import { DebouncedInput } from '@/ui/debounced-input';
import { Empty } from '@/ui/empty';
import { PageTitle } from '@/ui/page-title';
import { PageButtons, usePageTokens } from '@/ui/page-tokens';
import { QueryProblem } from '@/ui/query-problem';
import { useIsNarrow } from '@/ui/use-is-narrow';
import { AuditCards } from './audit-cards';
import { AuditTable } from './audit-table';
import { ACTIONS, type ActivitySearch, auditFilter, OUTCOMES } from './search';
import { VerifyLog } from './verify-log';

const route = getRouteApi('/activity');
/** Denied requests make no store event, so the log is also read at this interval. */
const REFETCH_MS = 15_000;

export function ActivityPage() {
  const canAudit = useCanAudit();
  return (
    <Stack gap="md">
      <div>
        <PageTitle tab="Activity">Activity</PageTitle>
        <Text className="dimmed" size="sm">
          The audit log: who requested what, from where, and with which outcome.
        </Text>
      </div>
      {canAudit === false ? (
        <Empty title="The audit log is for auditors and admins">
          Sign in with a token of the role auditor or admin to read it.
        </Empty>
      ) : (
        canAudit && <AuditLog />
      )}
    </Stack>
  );
}

function AuditLog() {
  const { queries } = useApi();
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const filter = auditFilter(search);
  const pages = usePageTokens(filter);
  const page = useQuery({
    ...queries.audit({ filter, pageToken: pages.token }),
    refetchInterval: pages.token === '' ? REFETCH_MS : false,
  });
  const change = (part: Partial<ActivitySearch>, replace = false) =>
    void navigate({ search: (before) => ({ ...before, ...part }), replace });
  const isFiltered = filter !== '';
  const isNarrow = useIsNarrow();
  // Rows of another filter stay until the answer is there, and go if there is none.
  const data = page.error && page.isPlaceholderData ? undefined : page.data;
  const List = isNarrow ? AuditCards : AuditTable;

  return (
    <>
      <Filters search={search} change={change} />
      <VerifyLog />
      <QueryProblem title="The audit log couldn't be loaded" query={page} />
      {data?.auditEvents.length === 0 && !page.isPlaceholderData ? (
        <Empty title={isFiltered ? 'No matching entries' : 'No activity yet'}>
          {isFiltered && (
            <Button variant="default" size="xs" mt="xs" onClick={() => void navigate({ search: {} })}>
              Show everything
            </Button>
          )}
        </Empty>
      ) : (
        (data || page.isPending) && (
          <List events={data?.auditEvents} outdated={page.isPlaceholderData} onActor={(actor) => change({ actor })} />
        )
      )}
      <PageButtons pages={pages} next={data?.nextPageToken} labels={{ previous: 'Newer', next: 'Older' }} />
    </>
  );
}

interface FiltersProps {
  search: ActivitySearch;
  change: (part: Partial<ActivitySearch>, replace?: boolean) => void;
}

function Filters({ search, change }: FiltersProps) {
  const text = (key: 'q' | 'actor' | 'target' | 'peer') => ({
    w: { base: '100%', xs: 160 },
    value: search[key],
    onValue: (value: string | undefined) => change({ [key]: value }, true),
  });
  const day = (key: 'from' | 'to') => ({
    value: search[key] ?? '',
    onChange: (event: { currentTarget: { value: string } }) =>
      change({ [key]: event.currentTarget.value || undefined }),
  });
  return (
    <Group gap="sm" align="flex-end" className="filters">
      <DebouncedInput label="Search" placeholder="Actor or store" {...text('q')} {...{ [SEARCH_FIELD]: true }} />
      <DebouncedInput label="Actor" {...text('actor')} />
      <DebouncedInput label="Store" {...text('target')} />
      <ChoiceFilter label="Action" value={search.action} choices={ACTIONS} onValue={(action) => change({ action })} />
      <ChoiceFilter
        label="Outcome"
        value={search.outcome}
        choices={OUTCOMES}
        onValue={(outcome) => change({ outcome })}
      />
      <DebouncedInput label="Address" {...text('peer')} />
      <TextInput type="date" label="From" {...day('from')} />
      <TextInput type="date" label="To" {...day('to')} />
    </Group>
  );
}
