import type { StoreEvent } from '@/gen/storeplane/v1/event_pb';

const STATES: Record<string, string> = {
  READY: 'teal',
  DEGRADED: 'yellow',
  FAILED: 'red',
  DELETING: 'gray',
  DELETED: 'gray',
};

const TYPES: readonly [RegExp, string][] = [
  [/FAILED/, 'red'],
  [/WAITING|RETRIED|CANCEL|UNDO|RELEASE|RESUMED|CAUSE|RENEWED/, 'yellow'],
  [/SUCCEEDED|VERIFIED|COMPLETED|RESTORED/, 'teal'],
];

/** The colour of an event's dot: that of the state it names, else of its type. */
export function eventColor({ type, details }: StoreEvent): string {
  if (type === 'STATE_CHANGED') return STATES[details.state ?? ''] ?? 'indigo';
  return TYPES.find(([pattern]) => pattern.test(type))?.[1] ?? 'gray';
}
