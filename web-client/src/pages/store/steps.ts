import type { Timestamp } from '@bufbuild/protobuf/wkt';
import { elapsed } from '@/format/time';
import type { StoreEvent } from '@/gen/storeplane/v1/event_pb';

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
const DELETE = ['UNINSTALL', 'NAMESPACE_GONE'];
/** Events whose message is shown at their step. */
const NOTES = new Set(['WAITING', 'STEP_RETRIED', 'VERIFIED']);

/** The steps of an operation: those in its events, and those that follow. */
export function stepsOf(events: StoreEvent[], operationId: string): Step[] {
  const own = events.filter((event) => event.operationId === operationId);
  if (own.length === 0) return [];
  const deleting = own.some((event) => event.type === 'STATE_CHANGED' && event.details.state === 'DELETING');
  const steps: Step[] = (deleting ? DELETE : CREATE).map((name) => ({ name, status: 'pending', undo: false }));
  const reducer = new StepReducer(steps);
  for (const event of own) reducer.apply(event);
  return reducer.ended ? steps.filter((step) => step.status !== 'pending' || !reducer.undoing) : steps;
}

class StepReducer {
  readonly steps: Step[];
  undoing = false;
  ended = false;

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
  }

  #start(event: StoreEvent): void {
    if (!this.#find(event.step)) this.steps.push({ name: event.step, status: 'pending', undo: this.undoing });
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
    for (const step of this.steps) {
      if (step.status === 'active') Object.assign(step, { status: 'failed', note: event.message });
    }
  }

  #enter(event: StoreEvent): void {
    this.ended = !['PROVISIONING', 'UPDATING', 'DELETING'].includes(event.details.state ?? '');
    if (event.details.state !== 'FAILED') return;
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
