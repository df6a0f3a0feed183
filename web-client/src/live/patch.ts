import { isSettled, stateOf } from '@/format/words';
import type { StoreEvent } from '@/gen/storeplane/v1/event_pb';
import { type Store, StoreState } from '@/gen/storeplane/v1/store_pb';

/**
 * Applies an event to a store as far as the event's details allow; GetStore follows. Events that the store already
 * reflects, and events of another store with the same id, change nothing. A backup runs while the store is READY or
 * DEGRADED: what its steps wait for is not the store's cause.
 */
export function patchStore(store: Store, event: StoreEvent): Store {
  if (store.uid !== event.uid || event.sequence <= store.lastSequence) return store;
  const next: Store = { ...store, lastSequence: event.sequence, updateTime: event.time };
  if (event.operationId) next.operation = event.operationId;
  switch (event.type) {
    case 'STATE_CHANGED':
      return enter(next, event);
    case 'STEP_STARTED':
      return { ...next, step: event.step };
    case 'STEP_SUCCEEDED':
      return isSettled(store.state) ? next : { ...next, reason: '', message: '', remedy: '', details: [] };
    case 'WAITING':
    case 'STEP_RETRIED':
    case 'UNDO_STARTED':
      return isSettled(store.state) ? next : { ...next, ...cause(event) };
    case 'CAUSE_CHANGED':
      return { ...next, ...cause(event) };
    case 'BACKUP_COMPLETED':
    case 'BACKUP_FAILED':
      // In the middle of a restore another step follows.
      return isSettled(store.state) ? { ...next, step: '' } : next;
    case 'STORE_UPDATED':
      return { ...next, ...fields(event) };
    default:
      return next;
  }
}

/** The fields that a caller changed. */
function fields({ details }: StoreEvent): Partial<Pick<Store, 'deletionProtection'>> {
  const { deletion_protection: protection } = details;
  return protection === undefined ? {} : { deletionProtection: protection === 'true' };
}

function enter(store: Store, event: StoreEvent): Store {
  const state = stateOf(event.details.state ?? '');
  if (state === StoreState.UNSPECIFIED) return store;
  const next: Store = { ...store, state, stateTime: event.time, ...cause(event) };
  if (isSettled(state)) next.step = '';
  if (state === StoreState.READY) next.readyTime ??= event.time;
  if (state === StoreState.DELETED) next.deleteTime = event.time;
  return next;
}

function cause({ message, details }: StoreEvent): Pick<Store, 'reason' | 'message' | 'remedy' | 'details'> {
  const { reason = '', remedy = '', observed = '' } = details;
  return { reason, message: reason && message, remedy, details: observed ? observed.split('\n') : [] };
}
