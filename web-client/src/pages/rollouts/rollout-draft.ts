import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import type { Engine } from '@/gen/storeplane/v1/platform_pb';
import {
  OnFailure,
  type Rollout,
  RolloutSchema,
  type RolloutTargetSchema,
  type RolloutWaveSchema,
} from '@/gen/storeplane/v1/rollout_service_pb';
import { StoreEnvironment } from '@/gen/storeplane/v1/store_pb';
import { parsePlugins, pluginsText } from '../settings/plugins';

/** What a rollout of the dialog can change: a field of the stores, or nothing but what is recorded for them. */
export const CHANGES = {
  engine_version: 'Version',
  plan: 'Plan',
  environment: 'Environment',
  plugins: 'Version of a plugin',
  reapply: 'Nothing, apply recorded settings again',
} as const;

export type Change = keyof typeof CHANGES;

/** The dialog's input. Numbers are as a person types them. */
export interface RolloutDraft {
  displayName: string;
  filter: string;
  change: Change;
  /** Empty: the first of the catalog. */
  version: string;
  /** Empty: the first of the catalog. */
  plan: string;
  environment: StoreEnvironment;
  /** Name and version. Empty: the first of the catalog. */
  plugin: string;
  /** As a list: `1, 10%`. */
  waves: string;
  parallelism: string;
  budgetPercent: string;
  budgetStores: string;
  soakMinutes: string;
  windowStart: string;
  windowEnd: string;
  onFailure: OnFailure;
}

/** With the server's defaults. */
export const EMPTY: RolloutDraft = {
  displayName: '',
  filter: '',
  change: 'engine_version',
  version: '',
  plan: '',
  environment: StoreEnvironment.STAGING,
  plugin: '',
  waves: '1, 1%, 10%, 50%, 100%',
  parallelism: '4',
  budgetPercent: '2',
  budgetStores: '',
  soakMinutes: '10',
  windowStart: '',
  windowEnd: '',
  onFailure: OnFailure.PAUSE,
};

/** The versions of all engines, newest first, by name. */
export function versionChoices(engines: readonly Engine[]): { value: string; label: string }[] {
  const all = engines.flatMap(({ name, versions }) =>
    versions.map(({ chartVersion, appVersion, securityRelease }) => ({
      value: chartVersion,
      label: [`${name} ${chartVersion} (${appVersion})`, securityRelease && 'security release']
        .filter(Boolean)
        .join(', '),
    })),
  );
  return [...new Map(all.toReversed().map((choice) => [choice.value, choice])).values()].toReversed();
}

/** The names of the plans of all engines. */
export function planChoices(engines: readonly Engine[]): string[] {
  return [...new Set(engines.flatMap(({ plans }) => plans.map(({ name }) => name)))];
}

/** The plugins that engines offer, each with its version. */
export function pluginChoices(engines: readonly Engine[]): string[] {
  return [...new Set(engines.flatMap(({ plugins }) => plugins.map((plugin) => pluginsText([plugin]))))];
}

/** A number that can't be read is sent as one that the server refuses. */
function number(text: string): number {
  return /^\d{1,6}$/.test(text.trim()) ? Number(text.trim()) : -1;
}

function optional(text: string): number | undefined {
  return text.trim() === '' ? undefined : number(text);
}

/** `1, 10%` as waves; what can't be read is sent as one without a size, which the server refuses. */
export function wavesOf(text: string): MessageInitShape<typeof RolloutWaveSchema>[] {
  const parts = text.split(/[\s,;]+/).filter((part) => part !== '');
  return parts.map((part) => {
    const [, digits, percent] = /^(\d{1,6})(%?)$/.exec(part) ?? [];
    if (digits === undefined) return {};
    return { size: { case: percent ? 'percent' : 'stores', value: Number(digits) } };
  });
}

/** The request's rollout for a draft. */
export function rolloutOf(draft: RolloutDraft, engines: readonly Engine[]): Rollout {
  const { windowStart, windowEnd, soakMinutes, parallelism } = draft;
  const soak = optional(soakMinutes);
  return create(RolloutSchema, {
    displayName: draft.displayName.trim(),
    filter: draft.filter.trim(),
    target: targetOf(draft, engines),
    // A percent sign may follow a space.
    waves: wavesOf(draft.waves.replaceAll(/\s+%/g, '%')),
    // 0 is the server's default.
    parallelism: parallelism.trim() === '' ? 0 : number(parallelism) || -1,
    failureBudget: { percent: optional(draft.budgetPercent), stores: optional(draft.budgetStores) },
    soak: soak === undefined ? undefined : durationFromMs(soak * 60_000),
    window: windowStart || windowEnd ? { start: windowStart, end: windowEnd } : undefined,
    onFailure: draft.onFailure,
  });
}

function targetOf(draft: RolloutDraft, engines: readonly Engine[]): MessageInitShape<typeof RolloutTargetSchema> {
  const { change, version, plan, environment, plugin } = draft;
  if (change === 'reapply') return { reapply: true };
  const store = {
    engine_version: { engineVersion: version || (versionChoices(engines)[0]?.value ?? '') },
    plan: { plan: plan || (planChoices(engines)[0] ?? '') },
    environment: { environment },
    plugins: { plugins: parsePlugins(plugin || (pluginChoices(engines)[0] ?? '')) },
  }[change];
  return { store, updateMask: { paths: [change] } };
}

/** Fields of the request that the form shows. */
export const FIELDS = {
  displayName: 'rollout.display_name',
  filter: 'rollout.filter',
  change: 'rollout.target.update_mask',
  version: 'rollout.target.store.engine_version',
  plan: 'rollout.target.store.plan',
  environment: 'rollout.target.store.environment',
  plugin: 'rollout.target.store.plugins[0].version',
  waves: 'rollout.waves',
  parallelism: 'rollout.parallelism',
  budgetPercent: 'rollout.failure_budget.percent',
  budgetStores: 'rollout.failure_budget.stores',
  soakMinutes: 'rollout.soak',
  windowStart: 'rollout.window.start',
  windowEnd: 'rollout.window.end',
  onFailure: 'rollout.on_failure',
} as const satisfies Partial<Record<keyof RolloutDraft, string>>;
