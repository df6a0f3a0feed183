import { Button, Group, NativeSelect, Stack, Text, TextInput, Title } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { useState } from 'react';
import { useApi } from '@/api/api';
import { words } from '@/format/words';
import { SEARCH_FIELD } from '@/layout/shortcuts';
import { Empty } from '@/ui/empty';
import { ProblemAlert } from '@/ui/problem-alert';
import { useTitle } from '@/ui/title';
import { AuditTable } from './audit-table';
import { ACTIONS, type ActivitySearch, auditFilter, OUTCOMES } from './search';

const route = getRouteApi('/activity');
const TYPING_MS = 250;
/** Denied requests make no event that would tell of them. */
const ASK_EVERY_MS = 15_000;

export function ActivityPage() {
  useTitle('Activity');
  const { queries } = useApi();
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const filter = auditFilter(search);
  const [trail, setTrail] = useState<{ filter: string; tokens: string[] }>({ filter, tokens: [] });
  // Pages belong to a filter; another one begins at its first.
  const tokens = trail.filter === filter ? trail.tokens : [];
  const page = useQuery({
    ...queries.audit({ filter, pageToken: tokens.at(-1) ?? '' }),
    refetchInterval: tokens.length === 0 ? ASK_EVERY_MS : false,
  });
  const change = (part: Partial<ActivitySearch>) =>
    void navigate({ search: (before) => ({ ...before, ...part }), replace: true });
  const isFiltered = filter !== '';

  return (
    <Stack gap="md">
      <div>
        <Title order={1} size="h2">
          Activity
        </Title>
        <Text className="dimmed" size="sm">
          Who asked for what, and what came of it.
        </Text>
      </div>
      <Filters search={search} change={change} />
      {page.error && <ProblemAlert title="The log could not be read" error={page.error} onRetry={page.refetch} />}
      {page.data?.auditEvents.length === 0 ? (
        <Empty title={isFiltered ? 'Nothing matches' : 'Nobody has asked for anything yet'}>
          {isFiltered && (
            <Button variant="default" size="xs" mt="xs" onClick={() => void navigate({ search: {} })}>
              Show everything
            </Button>
          )}
        </Empty>
      ) : (
        !page.error && <AuditTable events={page.data?.auditEvents} onActor={(actor) => change({ actor })} />
      )}
      {(tokens.length > 0 || page.data?.nextPageToken) && (
        <Group justify="flex-end" gap="xs">
          <Button
            size="xs"
            variant="default"
            disabled={tokens.length === 0}
            onClick={() => setTrail({ filter, tokens: tokens.slice(0, -1) })}
          >
            Newer
          </Button>
          <Button
            size="xs"
            variant="default"
            disabled={!page.data?.nextPageToken}
            onClick={() => setTrail({ filter, tokens: [...tokens, page.data?.nextPageToken ?? ''] })}
          >
            Older
          </Button>
        </Group>
      )}
    </Stack>
  );
}

interface FiltersProps {
  search: ActivitySearch;
  change: (part: Partial<ActivitySearch>) => void;
}

function Filters({ search, change }: FiltersProps) {
  const choices = (all: readonly string[], none: string) => [
    { value: '', label: none },
    ...all.map((value) => ({ value, label: words(value) })),
  ];
  return (
    <Group gap="sm" align="flex-end">
      <Words
        label="Search"
        placeholder="Actor or store"
        value={search.q}
        onWords={(q) => change({ q })}
        {...{ [SEARCH_FIELD]: true }}
      />
      <Words label="Actor" value={search.actor} onWords={(actor) => change({ actor })} />
      <Words label="Store" value={search.target} onWords={(target) => change({ target })} />
      <NativeSelect
        label="Action"
        value={search.action ?? ''}
        data={choices(ACTIONS, 'Any')}
        onChange={(event) => change({ action: event.currentTarget.value || undefined })}
      />
      <NativeSelect
        label="Outcome"
        value={search.outcome ?? ''}
        data={choices(OUTCOMES, 'Any')}
        onChange={(event) => change({ outcome: event.currentTarget.value || undefined })}
      />
      <TextInput
        type="date"
        label="From"
        value={search.from ?? ''}
        onChange={(event) => change({ from: event.currentTarget.value || undefined })}
      />
      <TextInput
        type="date"
        label="To"
        value={search.to ?? ''}
        onChange={(event) => change({ to: event.currentTarget.value || undefined })}
      />
    </Group>
  );
}

interface WordsProps {
  label: string;
  placeholder?: string;
  value: string | undefined;
  onWords: (words: string | undefined) => void;
}

function Words({ value = '', onWords, ...input }: WordsProps) {
  const [typed, setTyped] = useState(value);
  const [known, setKnown] = useState(value);
  if (value !== known) {
    setKnown(value);
    if (value !== typed.trim()) setTyped(value);
  }
  const later = useDebouncedCallback((text: string) => onWords(text || undefined), TYPING_MS);
  return (
    <TextInput
      type="search"
      w={160}
      value={typed}
      onChange={(event) => {
        setTyped(event.currentTarget.value);
        later(event.currentTarget.value.trim());
      }}
      {...input}
    />
  );
}
