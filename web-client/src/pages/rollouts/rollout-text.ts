import { seconds, wholeSpan } from '@/format/time';
import { count, words } from '@/format/words';
import {
  type FailureBudget,
  OnFailure,
  type Rollout,
  type RolloutCounts,
  RolloutState,
  RolloutStoreState,
  type RolloutTarget,
  type RolloutWave,
  type RolloutWindow,
} from '@/gen/storeplane/v1/rollout_service_pb';
import { type Store, StoreEnvironment } from '@/gen/storeplane/v1/store_pb';
import { pluginsText } from '../settings/plugins';

/** Its name, or else which stores it changes. */
export function titleOf({ displayName, filter }: Pick<Rollout, 'displayName' | 'filter'>): string {
  return displayName || (filter === '*' ? 'All stores' : filter);
}

export function rolloutState(state: RolloutState): string {
  return words(RolloutState[state] ?? 'unknown');
}

export function storeState(state: RolloutStoreState): string {
  return words(RolloutStoreState[state] ?? 'unknown');
}

/** What the stores are changed to: `Version 0.2.0, plan large`. */
export function targetText(target: RolloutTarget | undefined): string {
  if (!target) return '';
  if (target.reapply) return 'Recorded settings applied again';
  const { store, updateMask } = target;
  const parts = store ? (updateMask?.paths ?? []).map((path) => valueText(path, store)) : [];
  const text = parts.join(', ');
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function valueText(path: string, store: Store): string {
  const label = /^labels\.(.+)$/.exec(path)?.[1];
  if (label) return store.labels[label] === undefined ? `no label ${label}` : `label ${label} = ${store.labels[label]}`;
  switch (path) {
    case 'engine_version':
      return `version ${store.engineVersion}`;
    case 'plan':
      return `plan ${store.plan}`;
    case 'environment':
      return `environment ${words(StoreEnvironment[store.environment] ?? '').toLowerCase()}`;
    case 'plugins':
      return `plugin ${pluginsText(store.plugins)}`;
    case 'deletion_protection':
      return `deletion protection ${store.deletionProtection ? 'on' : 'off'}`;
    default:
      return words(path.replaceAll('.', ' ')).toLowerCase();
  }
}

/** Numbers of stores by state, without those of which there is none. */
export function countsText(counts: RolloutCounts | undefined): string {
  const parts: [number, string][] = [
    [counts?.failed ?? 0, 'failed'],
    [counts?.running ?? 0, 'running'],
    [counts?.succeeded ?? 0, 'succeeded'],
    [counts?.rolledBack ?? 0, 'rolled back'],
    [counts?.skipped ?? 0, 'skipped'],
    [counts?.pending ?? 0, 'pending'],
  ];
  const shown = parts.filter(([number]) => number > 0).map(([number, state]) => `${number.toLocaleString()} ${state}`);
  return shown.join(', ') || 'No stores';
}

export function waveText({ wave, waves }: Pick<Rollout, 'wave' | 'waves'>): string {
  return `Wave ${wave} of ${waves.length}`;
}

/** Up to where a wave goes: `up to 10 % of all stores`. */
export function sizeText({ size }: RolloutWave): string {
  if (size.case === 'percent') return `up to ${size.value} % of all stores`;
  return size.case === 'stores' ? `up to ${count(size.value, 'store')}` : '';
}

export function budgetText(budget: FailureBudget | undefined): string {
  const { stores, percent } = budget ?? {};
  const limits = [
    stores !== undefined && count(stores, 'store'),
    percent !== undefined && `${percent} % of all stores`,
  ].filter((limit) => limit !== false);
  return limits.length > 0 ? `None in the first wave, then at most ${limits.join(' and ')}` : 'None in the first wave';
}

export function soakText({ soak }: Pick<Rollout, 'soak'>): string {
  const length = seconds(soak) ?? 0;
  return length > 0 ? wholeSpan(length) : 'Not observed';
}

export function windowText(window: RolloutWindow | undefined): string {
  return window ? `${window.start} to ${window.end} UTC` : 'At any time';
}

export function onFailureText(onFailure: OnFailure): string {
  return onFailure === OnFailure.ROLL_BACK ? 'Changed stores return to their former revisions' : 'The rollout pauses';
}
