import { NativeSelect, Radio, SimpleGrid, Stack, Text, TextInput } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { useApi } from '@/api/api';
import { problem, violationOf, violationsOf } from '@/api/problem';
import { count } from '@/format/words';
import type { Engine } from '@/gen/storeplane/v1/platform_pb';
import { OnFailure } from '@/gen/storeplane/v1/rollout_service_pb';
import { EnvironmentField } from '@/ui/environment-field';
import {
  CHANGES,
  type Change,
  FIELDS,
  planChoices,
  pluginChoices,
  type RolloutDraft,
  rolloutOf,
  versionChoices,
} from './rollout-draft';

/** Pause in typing after which the server validates. */
const TYPING_MS = 300;

interface Props {
  draft: RolloutDraft;
  /** Empty until they are loaded. */
  engines: readonly Engine[];
  /** Why the preview failed. */
  error: unknown;
  disabled: boolean;
  onChange: (part: Partial<RolloutDraft>) => void;
}

/** Reasons of the server that concern which stores are selected. */
const ABOUT_STORES = ['NO_MATCHING_STORES', 'ROLLOUT_CONFLICT'];

/** True if the stores are why a rollout can't be started: the filter's field says so. */
export function isAboutStores(error: unknown): boolean {
  return Boolean(error) && ABOUT_STORES.includes(problem(error).reason);
}

type Field = keyof typeof FIELDS;
type TextField = Exclude<Field, 'change' | 'environment' | 'onFailure'>;

/** What is changed, and how. The server validates it after each pause in typing, and counts the stores. */
export function RolloutForm({ draft, engines, error, disabled, onChange }: Props) {
  const { queries } = useApi();
  const [settled] = useDebouncedValue(draft, TYPING_MS);
  const check = useQuery({
    ...queries.checkRollout(settled, rolloutOf(settled, engines)),
    enabled: settled.filter.trim() !== '' && engines.length > 0,
  });
  const isCurrent = settled === draft;
  const refusal = error ?? (isCurrent ? check.error : undefined);
  const violations = violationsOf(refusal);
  const errorOf = (field: Field) => violationOf(violations, FIELDS[field]);
  const text = (field: TextField) => ({
    disabled,
    autoComplete: 'off',
    value: draft[field],
    error: errorOf(field),
    onChange: (event: { currentTarget: { value: string } }) => onChange({ [field]: event.currentTarget.value }),
  });
  const plugins = pluginChoices(engines);
  const matching = isCurrent && check.isSuccess ? check.data.counts?.total : undefined;
  return (
    <>
      <TextInput label="Name" description="Optional" {...text('displayName')} />
      <div>
        <TextInput
          label="Stores"
          description="A filter, for example plan = small AND labels.env = prod; * for all stores"
          spellCheck={false}
          styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)' } }}
          data-autofocus
          {...text('filter')}
          error={errorOf('filter') ?? (isAboutStores(refusal) ? problem(refusal).message : undefined)}
        />
        <Text size="sm" className="dimmed" role="status" mih={20} data-testid="matching">
          {matching !== undefined && `${count(matching, 'store')} ${matching === 1 ? 'matches' : 'match'}`}
        </Text>
      </div>
      <NativeSelect
        label="Change"
        disabled={disabled}
        value={draft.change}
        error={errorOf('change')}
        data={Object.entries(CHANGES)
          .filter(([value]) => value !== 'plugins' || plugins.length > 0)
          .map(([value, label]) => ({ value, label }))}
        onChange={(event) => onChange({ change: event.currentTarget.value as Change })}
      />
      {draft.change === 'engine_version' && (
        <NativeSelect label="To version" data={versionChoices(engines)} {...text('version')} />
      )}
      {draft.change === 'plan' && <NativeSelect label="To plan" data={planChoices(engines)} {...text('plan')} />}
      {draft.change === 'plugins' && (
        <NativeSelect
          label="To plugin version"
          description="For the stores that have the plugin"
          data={plugins}
          {...text('plugin')}
        />
      )}
      {draft.change === 'environment' && (
        <EnvironmentField
          value={draft.environment}
          disabled={disabled}
          error={errorOf('environment')}
          onChange={(environment) => onChange({ environment })}
        />
      )}
      <TextInput
        label="Waves"
        description="For each wave, all stores up to its end: a number or a share. The rest is the last wave."
        {...text('waves')}
      />
      <SimpleGrid cols={2}>
        <TextInput label="Stores at the same time" inputMode="numeric" {...text('parallelism')} />
        <TextInput label="Observe each wave for (minutes)" inputMode="numeric" {...text('soakMinutes')} />
        <TextInput label="Failures allowed (%)" inputMode="numeric" {...text('budgetPercent')} />
        <TextInput label="Failures allowed (stores)" inputMode="numeric" {...text('budgetStores')} />
        <TextInput label="Start from (UTC)" type="time" {...text('windowStart')} />
        <TextInput label="Start until (UTC)" type="time" {...text('windowEnd')} />
      </SimpleGrid>
      <Text size="xs" className="dimmed">
        A failure in the first wave always exceeds what is allowed. Without times, stores are started at any time of the
        day.
      </Text>
      <Radio.Group
        label="If more stores fail"
        name="onFailure"
        value={OnFailure[draft.onFailure]}
        error={errorOf('onFailure')}
        onChange={(name) => onChange({ onFailure: OnFailure[name as keyof typeof OnFailure] })}
      >
        <Stack gap={6} mt={6}>
          <Radio value="PAUSE" label="Pause" description="Nothing more is started." disabled={disabled} />
          <Radio
            value="ROLL_BACK"
            label="Roll back"
            description="The changed stores return to their former revisions."
            disabled={disabled}
          />
        </Stack>
      </Radio.Group>
    </>
  );
}
