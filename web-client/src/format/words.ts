import { AuditOutcome } from '@/gen/storeplane/v1/audit_pb';
import { OperationKind, OperationState } from '@/gen/storeplane/v1/operation_pb';
import { StoreState } from '@/gen/storeplane/v1/store_pb';

/** A word of an enum or of the wire as people read it: `NAMESPACE_GONE` is `Namespace gone`. */
export function words(name: string): string {
  const text = name.toLowerCase().replaceAll('_', ' ');
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** The state's name on the wire, as filters and events have it. */
export function stateName(state: StoreState): string {
  return StoreState[state] ?? 'UNSPECIFIED';
}

export function stateOf(name: string): StoreState {
  const state = StoreState[name as keyof typeof StoreState];
  return typeof state === 'number' ? state : StoreState.UNSPECIFIED;
}

export const ALL_STATES: readonly StoreState[] = [
  StoreState.PROVISIONING,
  StoreState.READY,
  StoreState.UPDATING,
  StoreState.DEGRADED,
  StoreState.FAILED,
  StoreState.DELETING,
  StoreState.DELETED,
];

/** True while no operation is at work. */
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
  NAMESPACE: 'Make the namespace',
  SECRETS: 'Make the passwords',
  INSTALL: 'Install the chart',
  ROLLOUT: 'Wait until all is ready',
  VERIFY: 'Try the shop as a customer',
  UNINSTALL: 'Uninstall the release',
  NAMESPACE_GONE: 'Remove the namespace',
};

export function stepTitle(step: string): string {
  return STEPS[step] ?? words(step);
}
