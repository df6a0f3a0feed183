import { create } from '@bufbuild/protobuf';
import {
  type RolloutCounts,
  RolloutCountsSchema,
  type RolloutStore,
  RolloutStoreState,
} from '@/gen/storeplane/v1/rollout_service_pb';

/** Stores of a wave that are in the same state. */
export interface StoreGroup {
  state: RolloutStoreState;
  /** By ID. */
  stores: RolloutStore[];
}

/** What needs attention comes first. */
const ORDER = [
  RolloutStoreState.FAILED,
  RolloutStoreState.RUNNING,
  RolloutStoreState.SKIPPED,
  RolloutStoreState.ROLLED_BACK,
  RolloutStoreState.PENDING,
  RolloutStoreState.SUCCEEDED,
  RolloutStoreState.UNSPECIFIED,
];

/** The groups of each wave, by its number. */
export function groupsByWave(stores: Iterable<RolloutStore>): ReadonlyMap<number, StoreGroup[]> {
  const waves = Map.groupBy(stores, ({ wave }) => wave);
  return new Map([...waves].map(([wave, members]) => [wave, groupsOf(members)]));
}

function groupsOf(members: RolloutStore[]): StoreGroup[] {
  const byState = Map.groupBy(members, ({ state }) => (ORDER.includes(state) ? state : RolloutStoreState.UNSPECIFIED));
  return ORDER.flatMap((state) => {
    const stores = byState.get(state);
    return stores ? [{ state, stores: stores.sort((a, b) => (a.storeId < b.storeId ? -1 : 1)) }] : [];
  });
}

/** Numbers of stores of a wave, as a rollout has them for all. */
export function countsOf(groups: readonly StoreGroup[], total: number): RolloutCounts {
  const number = (state: RolloutStoreState) => groups.find((group) => group.state === state)?.stores.length ?? 0;
  return create(RolloutCountsSchema, {
    total,
    pending: number(RolloutStoreState.PENDING),
    running: number(RolloutStoreState.RUNNING),
    succeeded: number(RolloutStoreState.SUCCEEDED),
    failed: number(RolloutStoreState.FAILED),
    skipped: number(RolloutStoreState.SKIPPED),
    rolledBack: number(RolloutStoreState.ROLLED_BACK),
  });
}
