import { CircuitState, type Dependency } from '@/gen/storeplane/v1/platform_pb';

/** True if the server gets no answer from it. */
export function isDown({ state }: Dependency): boolean {
  return state === CircuitState.OPEN || state === CircuitState.HALF_OPEN;
}
