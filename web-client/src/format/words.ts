import { AuditOutcome } from '@/gen/storeplane/v1/audit_pb';
import { OperationKind, OperationState } from '@/gen/storeplane/v1/operation_pb';
import { StoreState } from '@/gen/storeplane/v1/store_pb';

/** An enum or wire name as text: `IMAGE_PULL_FAILED` is `Image pull failed`. */
export function words(name: string): string {
  const text = name.toLowerCase().replaceAll('_', ' ');
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** The server's text as a sentence: with a capital letter and a full stop. */
export function sentence(text: string): string {
  const capitalized = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?…]$/.test(capitalized) ? capitalized : `${capitalized}.`;
}

/** A name in CamelCase as text: `StatefulSet` stays, `PersistentVolumeClaim` is `Volume claim`. */
export function kindName(kind: string): string {
  return kind === 'PersistentVolumeClaim' ? 'Volume claim' : kind;
}

/** The state's name on the wire, as filters and events have it. */
export function stateName(state: StoreState): string {
  return StoreState[state] ?? 'UNSPECIFIED';
}

export function stateOf(name: string): StoreState {
  const state = StoreState[name as keyof typeof StoreState];
  return typeof state === 'number' ? state : StoreState.UNSPECIFIED;
}

/** True while no operation is running, except a backup. */
export function isSettled(state: StoreState): boolean {
  return [StoreState.READY, StoreState.DEGRADED, StoreState.FAILED, StoreState.DELETED].includes(state);
}

export function operationKind(kind: OperationKind): string {
  return words(OperationKind[kind] ?? 'unknown');
}

export function operationState(state: OperationState): string {
  return words(OperationState[state] ?? 'unknown');
}

export function outcome(outcome: AuditOutcome): string {
  return words(AuditOutcome[outcome] ?? 'unknown');
}

export function count(number: number | bigint, one: string, many = `${one}s`): string {
  return `${number.toLocaleString()} ${Number(number) === 1 ? one : many}`;
}

const STEPS: Record<string, string> = {
  NAMESPACE: 'Create the namespace',
  SECRETS: 'Generate credentials',
  INSTALL: 'Install the chart',
  ROLLOUT: 'Wait for pods to become ready',
  VERIFY: 'Test the storefront',
  ROTATE_SECRETS: 'Replace credentials',
  UPGRADE: 'Apply the chart',
  REVERT: 'Apply the previous chart',
  UNINSTALL: 'Uninstall the release',
  NAMESPACE_GONE: 'Remove the namespace',
  BACK_UP: 'Back up database and files',
  VERIFY_BACKUP: 'Verify backup',
  MAINTENANCE: 'Take shop offline',
  RESTORE: 'Restore database and files',
  START: 'Start shop behind the page',
  END_MAINTENANCE: 'Put shop back online',
};

export function stepTitle(step: string): string {
  return STEPS[step] ?? words(step);
}

/** A reason as a title. Some read better than the words of their code. */
const REASONS: Record<string, string> = {
  NAMESPACE_STUCK: 'Waiting for namespace cleanup',
  OUT_OF_MEMORY: 'Out of memory',
  NOT_OURS: 'Owned by somebody else',
};

export function reasonTitle(reason: string): string {
  return REASONS[reason] ?? words(reason);
}
