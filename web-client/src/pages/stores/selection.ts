import { useCallback, useState } from 'react';
import { type Store, StoreState } from '@/gen/storeplane/v1/store_pb';

/** Selected stores by uid. A selection outlives searches and filters, so it may hold stores that are not shown. */
export type Selection = ReadonlyMap<string, Store>;

/** Selects stores, or removes them from the selection. */
export type Select = (stores: Store[], selected: boolean) => void;

export function useSelection() {
  const [selection, setSelection] = useState<Selection>(new Map());
  const select = useCallback<Select>((stores, selected) => {
    setSelection((before) => {
      const next = new Map(before);
      for (const store of stores) selected ? next.set(store.uid, store) : next.delete(store.uid);
      return next;
    });
  }, []);
  const clear = useCallback(() => setSelection(new Map()), []);
  return { selection, select, clear };
}

export function isSelectable({ state }: Store): boolean {
  return state !== StoreState.DELETED;
}

/** Stores that a retry in bulk is for: those with a problem. */
export function isRetryable({ state }: Store): boolean {
  return state === StoreState.FAILED || state === StoreState.DEGRADED;
}

/** The selected stores as they are now, where the page shows them, and how many it does not show. */
export function resolveSelection(selection: Selection, shown: Store[]): { selected: Store[]; hidden: number } {
  const current = new Map(shown.map((store) => [store.uid, store]));
  const selected = [...selection.values()].map((store) => current.get(store.uid) ?? store).filter(isSelectable);
  return { selected, hidden: selected.filter(({ uid }) => !current.has(uid)).length };
}
