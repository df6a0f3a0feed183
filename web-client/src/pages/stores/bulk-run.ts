import { useEffect, useRef, useState } from 'react';
import { inParallel } from '@/api/parallel';
import { problem } from '@/api/problem';
import { withRetries } from '@/api/retry';
import { uuid } from '@/api/uuid';
import type { Store } from '@/gen/storeplane/v1/store_pb';

/** Requests in flight at once. */
const PARALLEL = 4;

export interface Failure {
  store: Store;
  message: string;
}

export interface BulkRun {
  phase: 'idle' | 'running' | 'ended';
  total: number;
  done: Store[];
  failed: Failure[];
  /** Not attempted, since the run was stopped. */
  skipped: Store[];
}

const IDLE: BulkRun = { phase: 'idle', total: 0, done: [], failed: [], skipped: [] };

export type BulkCall = (store: Store, requestId: string) => Promise<void>;

/** Makes one call for each store. `stop` starts no other; calls in flight are awaited, so that their outcome is known. */
export function useBulkRun(call: BulkCall) {
  const [run, setRun] = useState(IDLE);
  const controller = useRef<AbortController>(undefined);
  useEffect(() => () => controller.current?.abort(), []);

  const start = async (stores: Store[]) => {
    controller.current = new AbortController();
    const { signal } = controller.current;
    setRun({ ...IDLE, phase: 'running', total: stores.length });
    const attempted = new Set<string>();
    await inParallel(stores, PARALLEL, signal, async (store) => {
      attempted.add(store.uid);
      const requestId = uuid();
      try {
        await withRetries(() => call(store, requestId), signal);
        setRun((before) => ({ ...before, done: [...before.done, store] }));
      } catch (error) {
        const failure = { store, message: problem(error).message };
        setRun((before) => ({ ...before, failed: [...before.failed, failure] }));
      }
    });
    const skipped = stores.filter(({ uid }) => !attempted.has(uid));
    setRun((before) => ({ ...before, phase: 'ended', skipped }));
  };
  return { run, start: (stores: Store[]) => void start(stores), stop: () => controller.current?.abort() };
}
