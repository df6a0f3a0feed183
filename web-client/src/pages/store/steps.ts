import type { Timestamp } from '@bufbuild/protobuf/wkt';
import { elapsed } from '@/format/time';
import type { StoreEvent } from '@/gen/storeplane/v1/event_pb';
import { OperationKind } from '@/gen/storeplane/v1/operation_pb';

export type StepStatus = 'pending' | 'active' | 'done' | 'failed' | 'skipped';

export interface Step {
  name: string;
  status: StepStatus;
  /** True for a step that removes what another one created. */
  undo: boolean;
  startTime?: Timestamp;
  /** How long it took, in seconds; absent while it is running. */
  seconds?: number;
  /** Why it was skipped or failed, or what it is waiting for. */
  note?: string;
}

const CREATE = ['NAMESPACE', 'SECRETS', 'INSTALL', 'ROLLOUT', 'VERIFY'];
const UPDATE = ['UPGRADE', 'ROLLOUT', 'VERIFY'];
const BACKUP = ['BACK_UP', 'VERIFY_BACKUP'];
/** The steps of each kind, in order. Of a kind that is not known here, only the steps in its events are shown. */
const PLANS: Partial<Record<OperationKind, readonly string[]>> = {
  [OperationKind.CREATE]: CREATE,
  [OperationKind.RETRY]: CREATE,
  [OperationKind.DELETE]: ['UNINSTALL', 'NAMESPACE_GONE'],
  [OperationKind.ROTATE_CREDENTIALS]: ['ROTATE_SECRETS', 'ROLLOUT', 'VERIFY'],
  [OperationKind.BACKUP]: BACKUP,
  [OperationKind.COPY]: ['NAMESPACE', 'SECRETS', 'INSTALL', 'RESTORE', 'ROLLOUT', 'VERIFY'],
  [OperationKind.UPDATE]: UPDATE,
  [OperationKind.RESTORE]: ['MAINTENANCE', ...BACKUP, 'RESTORE', 'END_MAINTENANCE', 'ROLLOUT', 'VERIFY'],
  [OperationKind.ROLLBACK]: [
    'MAINTENANCE',
    ...BACKUP,
    'UPGRADE',
    'RESTORE',
    'START',
    'ROLLOUT',
    'VERIFY',
    'END_MAINTENANCE',
  ],
};
/** Events whose message is shown at their step. */
const NOTES = new Set(['WAITING', 'STEP_RETRIED', 'VERIFIED']);

/** The steps of an operation: those in its events, and those that follow. `kind` is absent until the operation is loaded. */
export function stepsOf(events: StoreEvent[], operationId: string, kind?: OperationKind): Step[] {
  const own = events.filter((event) => event.operationId === operationId);
  if (own.length === 0) return [];
  const steps: Step[] = planned(own, kind ?? kindOf(own)).map((name) => ({ name, status: 'pending', undo: false }));
  const reducer = new StepReducer(steps);
  for (const event of own) reducer.apply(event);
  return reducer.undoing ? steps.filter((step) => step.status !== 'pending') : steps;
}

/** The kind of the operation of these events, as far as they tell it. */
function kindOf(own: StoreEvent[]): OperationKind {
  if (own.some(({ type }) => type === 'BACKUP_REQUESTED')) return OperationKind.BACKUP;
  if (own.some(({ type }) => type === 'RESTORE_REQUESTED')) return OperationKind.RESTORE;
  if (own.some(({ type, details }) => type === 'STORE_UPDATED' && details.backup_id)) return OperationKind.ROLLBACK;
  if (own.some(({ type, step }) => type === 'STEP_STARTED' && step === 'UPGRADE')) return OperationKind.UPDATE;
  // Only a copy restores without a request for it.
  if (own.some(({ type, step }) => type === 'STEP_STARTED' && step === 'RESTORE')) return OperationKind.COPY;
  const isDeletion = own.some(({ type, details }) => type === 'STATE_CHANGED' && details.state === 'DELETING');
  return isDeletion ? OperationKind.DELETE : OperationKind.CREATE;
}

/** The steps of an update that migrates the shop's data. */
const MIGRATION = ['MAINTENANCE', ...BACKUP, ...UPDATE, 'END_MAINTENANCE'];

/** The steps of an operation. An update that takes the shop offline migrates its data. A restore without a backup of the present data is known by its step RESTORE, which then comes without one. */
function planned(own: StoreEvent[], kind: OperationKind): readonly string[] {
  const plan = PLANS[kind] ?? [];
  const hasStarted = (name: string) => own.some(({ type, step }) => type === 'STEP_STARTED' && step === name);
  if (kind === OperationKind.UPDATE && hasStarted('MAINTENANCE')) return MIGRATION;
  const skipsBackup = kind === OperationKind.RESTORE && hasStarted('RESTORE') && !hasStarted('BACK_UP');
  return skipsBackup ? plan.filter((name) => !BACKUP.includes(name)) : plan;
}

class StepReducer {
  readonly steps: Step[];
  undoing = false;

  constructor(steps: Step[]) {
    this.steps = steps;
  }

  apply(event: StoreEvent): void {
    const { type, step, message } = event;
    if (type === 'STEP_STARTED') this.#start(event);
    else if (type === 'STEP_SUCCEEDED') this.#finish(event);
    else if (type === 'STEP_SKIPPED') this.#change(step, { status: 'skipped', note: message });
    else if (type === 'STEP_FAILED')
      this.#change(step, {
        status: 'failed',
        note: message,
        seconds: elapsed(this.#find(step)?.startTime, event.time),
      });
    else if (NOTES.has(type)) this.#change(step, { note: message });
    else if (type === 'UNDO_STARTED') this.#undo(event);
    else if (type === 'STATE_CHANGED') this.#enter(event);
    else if (type === 'BACKUP_FAILED') this.#fail(event);
  }

  #start(event: StoreEvent): void {
    const known = this.#find(event.step);
    // A step can be in the plan, and undo another one too.
    if (!known || (this.undoing && !known.undo)) {
      this.steps.push({ name: event.step, status: 'pending', undo: this.undoing });
    }
    this.#change(event.step, { status: 'active', startTime: event.time, seconds: undefined, note: undefined });
  }

  #finish(event: StoreEvent): void {
    const skipped = this.#find(event.step)?.status === 'skipped';
    const verified = event.step === 'VERIFY';
    const change: Partial<Step> = { status: skipped ? 'skipped' : 'done', seconds: Number(event.details.seconds) };
    this.#change(event.step, skipped || verified ? change : { ...change, note: undefined });
  }

  #undo(event: StoreEvent): void {
    this.undoing = true;
    this.#fail(event);
  }

  #enter(event: StoreEvent): void {
    if (event.details.state === 'FAILED') this.#fail(event);
  }

  #fail(event: StoreEvent): void {
    for (const step of this.steps) {
      if (step.status === 'active') Object.assign(step, { status: 'failed', note: event.message });
    }
  }

  #find(name: string): Step | undefined {
    return this.steps.findLast((step) => step.name === name);
  }

  #change(name: string, change: Partial<Step>): void {
    const step = this.#find(name);
    if (step) Object.assign(step, change);
  }
}
