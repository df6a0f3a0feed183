import { type Rollout, RolloutState } from '@/gen/storeplane/v1/rollout_service_pb';

const OPEN: readonly RolloutState[] = [RolloutState.RUNNING, RolloutState.PAUSED, RolloutState.ROLLING_BACK];

/** True if the rollout has not ended. */
export function isOpen({ state }: Pick<Rollout, 'state'>): boolean {
  return OPEN.includes(state);
}
