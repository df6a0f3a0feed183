import type { Client } from '@connectrpc/connect';
import type { StoreEvent } from '@/gen/storeplane/v1/event_pb';
import type { StoreService } from '@/gen/storeplane/v1/store_service_pb';

/** A store's events, the oldest first, without repetition. `whole` is false where older ones were left out. */
export interface Timeline {
  events: StoreEvent[];
  whole: boolean;
}

/** How many events a page asks for at first. */
export const RECENT = 500n;

/** Adds events; each sequence is there once. */
export function merge(known: StoreEvent[], more: StoreEvent[]): StoreEvent[] {
  const last = known.at(-1)?.sequence ?? 0n;
  if (more.every((event, index) => event.sequence === last + BigInt(index) + 1n)) return [...known, ...more];
  const all = new Map([...known, ...more].map((event) => [event.sequence, event]));
  return [...all.values()].sort((a, b) => Number(a.sequence - b.sequence));
}

/** The last event before the first hole: sequences have none, so what is missing was not received. */
export function unbroken(events: StoreEvent[]): bigint {
  const hole = events.findIndex((event, index) => {
    const before = events[index - 1];
    return before !== undefined && event.sequence !== before.sequence + 1n;
  });
  return (hole === -1 ? events.at(-1) : events[hole - 1])?.sequence ?? 0n;
}

export function hasHole(events: StoreEvent[]): boolean {
  return events.length > 0 && unbroken(events) !== events.at(-1)?.sequence;
}

/** Reads what happened to a store after `after`, up to now. */
export async function replay(
  client: Client<typeof StoreService>,
  store: { storeId: string; uid: string },
  after: bigint,
  signal: AbortSignal,
): Promise<StoreEvent[]> {
  const events: StoreEvent[] = [];
  const enough = new AbortController();
  const either = AbortSignal.any([signal, enough.signal]);
  const { storeId, uid } = store;
  try {
    for await (const { update } of client.watchStore({ storeId, uid, afterSequence: after }, { signal: either })) {
      if (update.case === 'event') events.push(update.value);
      if (update.case === 'caughtUp') return events;
    }
    return events;
  } finally {
    enough.abort();
  }
}
