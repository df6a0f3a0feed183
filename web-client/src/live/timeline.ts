import type { Client } from '@connectrpc/connect';
import type { StoreEvent } from '@/gen/storeplane/v1/event_pb';
import type { StoreService } from '@/gen/storeplane/v1/store_service_pb';

/** A store's events, the oldest first, each once. `complete` is false where older ones were not requested. */
export interface Timeline {
  events: StoreEvent[];
  complete: boolean;
}

/** How many events a page requests at first. */
export const RECENT = 500n;

/** Merges events by sequence. */
export function merge(known: StoreEvent[], more: StoreEvent[]): StoreEvent[] {
  const last = known.at(-1)?.sequence ?? 0n;
  if (more.every((event, index) => event.sequence === last + BigInt(index) + 1n)) return [...known, ...more];
  const all = new Map([...known, ...more].map((event) => [event.sequence, event]));
  return [...all.values()].sort((a, b) => Number(a.sequence - b.sequence));
}

/** The last sequence before the first gap. The server's sequences have no gaps, so one means an event was not received. */
export function lastContiguous(events: StoreEvent[]): bigint {
  const gap = events.findIndex((event, index) => {
    const before = events[index - 1];
    return before !== undefined && event.sequence !== before.sequence + 1n;
  });
  return (gap === -1 ? events.at(-1) : events[gap - 1])?.sequence ?? 0n;
}

export function hasGap(events: StoreEvent[]): boolean {
  return events.length > 0 && lastContiguous(events) !== events.at(-1)?.sequence;
}

/** Reads a store's events after sequence `after`, up to now. */
export async function replay(
  client: Client<typeof StoreService>,
  store: { storeId: string; uid: string },
  after: bigint,
  signal: AbortSignal,
): Promise<StoreEvent[]> {
  const events: StoreEvent[] = [];
  const finished = new AbortController();
  const either = AbortSignal.any([signal, finished.signal]);
  const { storeId, uid } = store;
  try {
    for await (const { update } of client.watchStore({ storeId, uid, afterSequence: after }, { signal: either })) {
      if (update.case === 'event') events.push(update.value);
      if (update.case === 'caughtUp') return events;
    }
    return events;
  } finally {
    finished.abort();
  }
}
