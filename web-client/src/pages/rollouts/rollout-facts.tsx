import { isOpen } from '@/api/rollout-state';
import type { Rollout } from '@/gen/storeplane/v1/rollout_service_pb';
import { DateTime, Until } from '@/ui/time';
import { budgetText, onFailureText, soakText, targetText, windowText } from './rollout-text';

/** How a rollout proceeds. */
export function Facts({ rollout }: { rollout: Rollout }) {
  const { filter, target, parallelism, failureBudget, window, onFailure, soakEndTime, endTime } = rollout;
  return (
    <dl className="facts rollout-facts">
      <dt>Stores</dt>
      <dd className="mono">{filter}</dd>
      <dt>Target</dt>
      <dd>{targetText(target)}</dd>
      <dt>At the same time</dt>
      <dd>{parallelism}</dd>
      <dt>Failures allowed</dt>
      <dd>{budgetText(failureBudget)}</dd>
      <dt>If more fail</dt>
      <dd>{onFailureText(onFailure)}</dd>
      <dt>Observation of each wave</dt>
      <dd>
        {soakText(rollout)}
        {soakEndTime && isOpen(rollout) && (
          <>
            , of this one until <DateTime time={soakEndTime} /> (<Until time={soakEndTime} />)
          </>
        )}
      </dd>
      <dt>Window</dt>
      <dd>{windowText(window)}</dd>
      {endTime && (
        <>
          <dt>Ended</dt>
          <dd>
            <DateTime time={endTime} />
          </dd>
        </>
      )}
    </dl>
  );
}
