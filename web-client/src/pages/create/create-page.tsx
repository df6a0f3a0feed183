import { Button, Group, NativeSelect, Paper, SimpleGrid, Stack, Switch, Text, TextInput } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { type FormEvent, useEffect, useMemo, useRef, useState } from 'react';
import { useApi } from '@/api/api';
import { problem } from '@/api/problem';
import { useRequest } from '@/api/use-request';
import { uuid } from '@/api/uuid';
import { useCaller, useCanEdit } from '@/session/caller';
import { PageTitle } from '@/ui/page-title';
import { ProblemAlert } from '@/ui/problem-alert';
import { byField, type Draft, EMPTY, type Field, idOf, requestOf } from './draft';
import { PlanField } from './plan-field';
import { Preview } from './preview';
import { useOpenCreated } from './use-open-created';
import { VersionField } from './version-field';

/** Pause in typing after which the server validates. */
const TYPING_MS = 300;

export function CreatePage() {
  const caller = useCaller();
  const canEdit = useCanEdit();
  return (
    <Stack gap="lg">
      <PageTitle tab="New store">New store</PageTitle>
      {caller.data && !canEdit ? (
        <Text>You don't have permission to create stores. It needs the role operator, admin or platform_admin.</Text>
      ) : (
        <CreateForm />
      )}
    </Stack>
  );
}

function CreateForm() {
  const { queries } = useApi();
  const form = useRef<HTMLFormElement>(null);
  const [draft, setDraft] = useState(EMPTY);
  const [touched, setTouched] = useState<ReadonlySet<Field>>(new Set());
  const [submitted, setSubmitted] = useState(false);
  const engines = useQuery(queries.engines());
  const engine = engines.data?.engines.find(({ name }) => name === draft.engine) ?? engines.data?.engines[0];
  const { check, generatedId, isCurrent } = useCheck(draft, submitted || touched.size > 0);
  const creation = useCreation(draft, generatedId);

  const rejected = creation.error && problem(creation.error);
  const checked = check.error && isCurrent ? problem(check.error).violations : undefined;
  const errors = byField(rejected?.violations.size ? rejected.violations : (checked ?? new Map()));
  const errorOf = (field: Field) => (submitted || touched.has(field) ? errors[field] : undefined);
  useEffect(() => {
    if (creation.error) form.current?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus();
  }, [creation.error]);

  const touch = (field: Field) => setTouched(new Set(touched).add(field));
  const change = (part: Partial<Draft>) => {
    creation.reset();
    setDraft({ ...draft, ...part });
  };
  const text = (field: 'displayName' | 'adminEmail') => ({
    name: field,
    value: draft[field],
    error: errorOf(field),
    onChange: (event: { currentTarget: HTMLInputElement }) => change({ [field]: event.currentTarget.value }),
    onBlur: () => draft[field] && touch(field),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setSubmitted(true);
    creation.send();
  };

  return (
    <SimpleGrid cols={{ base: 1, md: 2 }} spacing="lg">
      <Paper withBorder p="lg">
        <form onSubmit={submit} ref={form} noValidate>
          <Stack>
            <TextInput
              label="Name"
              description="Shown to the shop's customers"
              placeholder="Tea & Co"
              autoComplete="off"
              autoFocus
              {...text('displayName')}
            />
            <TextInput
              label="ID"
              description="Used in URLs and the namespace. Can't be changed later."
              placeholder={generatedId || 'tea-co'}
              autoComplete="off"
              spellCheck={false}
              name="storeId"
              styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)' } }}
              value={idOf(draft)}
              error={errorOf('storeId')}
              onChange={(event) => {
                touch('storeId');
                change({ storeId: event.currentTarget.value });
              }}
              onBlur={() => idOf(draft) && touch('storeId')}
            />
            <TextInput
              label="Admin email"
              type="email"
              placeholder="owner@example.com"
              autoComplete="email"
              {...text('adminEmail')}
            />
            <NativeSelect
              label="Engine"
              name="engine"
              disabled={!engines.data}
              value={engine?.name ?? ''}
              error={errorOf('engine')}
              onChange={(event) => change({ engine: event.currentTarget.value, engineVersion: '', plan: '' })}
              data={
                engines.data?.engines.map(({ name, appVersion }) => ({
                  value: name,
                  label: `${name} ${appVersion}`,
                })) ?? []
              }
            />
            {engines.error && (
              <ProblemAlert title="The engines couldn't be loaded" error={engines.error} onRetry={engines.refetch} />
            )}
            <VersionField
              engine={engine}
              value={draft.engineVersion}
              error={errorOf('engineVersion')}
              onChange={(engineVersion) => change({ engineVersion })}
            />
            <PlanField
              engine={engine}
              value={draft.plan}
              error={errorOf('plan')}
              onChange={(plan) => change({ plan })}
            />
            <Switch
              label="Remove all resources if the creation fails"
              description="Otherwise resources are kept for debugging and retry"
              checked={draft.removeOnFailure}
              onChange={(event) => change({ removeOnFailure: event.currentTarget.checked })}
            />
            <Switch
              label="Deletion protection"
              description="The store can't be deleted until this is switched off"
              checked={draft.deletionProtection}
              onChange={(event) => change({ deletionProtection: event.currentTarget.checked })}
            />
            {rejected && Object.keys(errors).length === 0 && (
              <ProblemAlert title="The store was not created" error={creation.error} />
            )}
            <Group justify="flex-end">
              <Text size="sm" className="dimmed" role="status">
                {creation.isPending ? 'Sending the request…' : ''}
              </Text>
              <Button type="submit" loading={creation.isPending}>
                Create store
              </Button>
            </Group>
          </Stack>
        </form>
      </Paper>
      <Preview store={check.isSuccess && !check.isPlaceholderData ? check.data : undefined} />
    </SimpleGrid>
  );
}

/** Validates the draft after each pause in typing. The server generates an ID where there is none; the first one is kept. */
function useCheck(draft: Draft, enabled: boolean) {
  const { queries } = useApi();
  const [generatedId, setGeneratedId] = useState('');
  const [settled] = useDebouncedValue(draft, TYPING_MS);
  const request = requestOf(settled, generatedId);
  const check = useQuery({ ...queries.check(request), enabled, placeholderData: (before) => before });
  if (!generatedId && check.isSuccess && !check.isPlaceholderData && request.storeId === '' && check.data.storeId) {
    setGeneratedId(check.data.storeId);
  }
  return { check, generatedId, isCurrent: settled === draft };
}

function useCreation(draft: Draft, generatedId: string) {
  const { clients } = useApi();
  // The same draft is the same request: after a lost answer, sending it again creates no second store.
  // biome-ignore lint/correctness/useExhaustiveDependencies: another draft is another request
  const requestId = useMemo(uuid, [draft, generatedId]);
  return useRequest({
    requestId,
    call: (requestId, signal) =>
      clients.stores.createStore({ ...requestOf(draft, generatedId), requestId }, { signal }),
    onSuccess: useOpenCreated(),
  });
}
