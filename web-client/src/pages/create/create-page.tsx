import {
  Button,
  Group,
  NativeSelect,
  Paper,
  Radio,
  SimpleGrid,
  Stack,
  Switch,
  Text,
  TextInput,
  Title,
} from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { type FormEvent, useMemo, useRef, useState } from 'react';
import { useApi } from '@/api/api';
import { problem } from '@/api/problem';
import { uuid } from '@/api/uuid';
import { useCaller, useMayChange } from '@/session/caller';
import { Empty } from '@/ui/empty';
import { ProblemAlert } from '@/ui/problem-alert';
import { useTitle } from '@/ui/title';
import { byField, type Draft, EMPTY, type Field, idOf, requestOf } from './draft';
import { Preview } from './preview';

/** A pause in typing after which the server is asked. */
const TYPING_MS = 300;

export function CreatePage() {
  useTitle('New store');
  const caller = useCaller();
  const mayChange = useMayChange();
  if (caller.data && !mayChange) {
    return (
      <Empty title="Your role does not create stores">
        A viewer reads. An operator's token may create, retry and delete.
      </Empty>
    );
  }
  return <CreateForm />;
}

function CreateForm() {
  const { clients, queries } = useApi();
  const queryClient = useQueryClient();
  const navigate = useNavigate();
  const form = useRef<HTMLFormElement>(null);
  const [draft, setDraft] = useState(EMPTY);
  const [touched, setTouched] = useState<ReadonlySet<Field>>(new Set());
  const [tried, setTried] = useState(false);
  const engines = useQuery(queries.engines());
  const engine = engines.data?.engines.find(({ name }) => name === draft.engine) ?? engines.data?.engines[0];

  const [settled] = useDebouncedValue(draft, TYPING_MS);
  const begun = tried || touched.size > 0;
  const check = useQuery({ ...queries.check(requestOf(settled)), enabled: begun, placeholderData: (before) => before });
  // The same draft sent again is the same request: an answer that was lost makes no second store.
  // biome-ignore lint/correctness/useExhaustiveDependencies: another draft is another request
  const requestId = useMemo(uuid, [draft]);
  const creation = useMutation({
    mutationFn: () => clients.stores.createStore({ ...requestOf(draft), requestId }),
    onSuccess: async (store) => {
      queryClient.setQueryData(queries.store(store.storeId, '').queryKey, store);
      void queryClient.invalidateQueries({ queryKey: ['stores'] });
      await navigate({ to: '/stores/$storeId', params: { storeId: store.storeId } });
    },
  });

  const refused = creation.error && problem(creation.error);
  const checked = check.error && settled === draft ? problem(check.error).violations : undefined;
  const all = byField(refused?.violations.size ? refused.violations : (checked ?? new Map()));
  const errorOf = (field: Field) => (tried || touched.has(field) ? all[field] : undefined);

  const change = (part: Partial<Draft>) => {
    creation.reset();
    setDraft({ ...draft, ...part });
  };
  const text = (field: 'displayName' | 'adminEmail') => ({
    name: field,
    value: draft[field],
    error: errorOf(field),
    onChange: (event: { currentTarget: HTMLInputElement }) => change({ [field]: event.currentTarget.value }),
    onBlur: () => draft[field] && setTouched(new Set(touched).add(field)),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    creation.mutate(undefined, {
      onError: () => setTimeout(() => form.current?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus()),
    });
  };

  return (
    <Stack gap="lg">
      <Title order={1} size="h2">
        New store
      </Title>
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="lg">
        <Paper withBorder p="lg">
          <form onSubmit={submit} ref={form} noValidate>
            <Stack>
              <TextInput
                label="Name"
                description="As the shop's customers read it"
                placeholder="Tea & Co"
                autoComplete="off"
                autoFocus
                {...text('displayName')}
              />
              <TextInput
                label="Id"
                description="Its name in addresses and in the cluster; it stays for ever"
                placeholder="tea-co"
                autoComplete="off"
                spellCheck={false}
                name="storeId"
                styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)' } }}
                value={idOf(draft)}
                error={errorOf('storeId')}
                onChange={(event) => {
                  setTouched(new Set(touched).add('storeId'));
                  change({ storeId: event.currentTarget.value });
                }}
                onBlur={() => idOf(draft) && setTouched(new Set(touched).add('storeId'))}
              />
              <TextInput
                label="Administrator's e-mail"
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
                onChange={(event) => change({ engine: event.currentTarget.value, plan: '' })}
                data={
                  engines.data?.engines.map(({ name, appVersion }) => ({
                    value: name,
                    label: `${name} ${appVersion}`,
                  })) ?? []
                }
              />
              <Radio.Group
                label="Plan"
                name="plan"
                value={draft.plan || (engine?.defaultPlan ?? '')}
                onChange={(plan) => change({ plan })}
                error={errorOf('plan')}
              >
                <Group mt={6} mih={24}>
                  {engine?.plans.map((plan) => (
                    <Radio key={plan.name} value={plan.name} label={plan.name} />
                  ))}
                </Group>
              </Radio.Group>
              <Switch
                label="Remove everything if it fails"
                description="Else what was made stays, so that one can look and retry"
                checked={draft.removeOnFailure}
                onChange={(event) => change({ removeOnFailure: event.currentTarget.checked })}
              />
              {refused && Object.keys(all).length === 0 && (
                <ProblemAlert title="The store was not created" error={creation.error} />
              )}
              <Group justify="flex-end">
                <Text size="sm" className="dimmed" role="status">
                  {creation.isPending ? 'Asking the server…' : ''}
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
    </Stack>
  );
}
