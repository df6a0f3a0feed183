import { Button, Checkbox, Group, Text } from '@mantine/core';
import { IconPlayerPause, IconPlayerPlay, IconPlayerStop } from '@tabler/icons-react';
import { useState } from 'react';
import { useApi } from '@/api/api';
import { ROLLOUTS } from '@/api/queries';
import { isOpen } from '@/api/rollout-state';
import { count } from '@/format/words';
import { type Rollout, RolloutState } from '@/gen/storeplane/v1/rollout_service_pb';
import { ConfirmDialog } from '@/ui/confirm-dialog';
import { useFocusRescue } from '@/ui/page-title';
import { RequestProblem } from '@/ui/request-problem';
import { useDialogRequest } from '@/ui/use-dialog-request';

/** What can be done with a rollout in its state. The watch shows what became of it. */
export function RolloutActions({ rollout }: { rollout: Rollout }) {
  // Buttons disappear when the state changes.
  const rescue = useFocusRescue();
  return (
    <Group gap="xs" {...rescue}>
      <Pause rollout={rollout} />
      <Resume rollout={rollout} />
      <Abort rollout={rollout} />
    </Group>
  );
}

function Pause({ rollout: { rolloutId, state, counts } }: { rollout: Rollout }) {
  const { clients } = useApi();
  const pause = useDialogRequest([ROLLOUTS], (_, signal) => clients.rollouts.pauseRollout({ rolloutId }, { signal }));
  const running = counts?.running ?? 0;
  return (
    <>
      {state === RolloutState.RUNNING && (
        <Button variant="default" leftSection={<IconPlayerPause size={16} aria-hidden />} onClick={pause.open}>
          Pause
        </Button>
      )}
      <ConfirmDialog {...pause.dialog} title="Pause this rollout?" action="Pause rollout">
        <Text size="sm">
          No more stores are started until it is resumed.
          {running > 0 && ` ${count(running, 'operation')} that ${running === 1 ? 'runs' : 'run'} already will go on.`}
        </Text>
        <RequestProblem title="The rollout was not paused" error={pause.error} />
      </ConfirmDialog>
    </>
  );
}

function Resume({ rollout: { rolloutId, state, counts } }: { rollout: Rollout }) {
  const { clients } = useApi();
  const resume = useDialogRequest([ROLLOUTS], (_, signal) => clients.rollouts.resumeRollout({ rolloutId }, { signal }));
  const failed = counts?.failed ?? 0;
  return (
    <>
      {state === RolloutState.PAUSED && (
        <Button leftSection={<IconPlayerPlay size={16} aria-hidden />} onClick={resume.open}>
          Resume
        </Button>
      )}
      <ConfirmDialog {...resume.dialog} title="Resume this rollout?" action="Resume rollout">
        <Text size="sm">
          {count(counts?.pending ?? 0, 'store')} {counts?.pending === 1 ? 'has' : 'have'} not been started.
        </Text>
        {failed > 0 && (
          <Text size="sm">
            {failed === 1
              ? 'The store that has failed no longer counts'
              : `The ${failed.toLocaleString()} stores that have failed no longer count`}{' '}
            towards the failure budget.
          </Text>
        )}
        <RequestProblem title="The rollout was not resumed" error={resume.error} />
      </ConfirmDialog>
    </>
  );
}

function Abort({ rollout }: { rollout: Rollout }) {
  const { clients } = useApi();
  const { rolloutId, state, counts } = rollout;
  const [rollBack, setRollBack] = useState(false);
  const abortion = useDialogRequest([ROLLOUTS], (_, signal) =>
    clients.rollouts.abortRollout({ rolloutId, rollBack }, { signal }),
  );
  const changed = counts?.succeeded ?? 0;
  const isRollingBack = state === RolloutState.ROLLING_BACK;
  const open = () => {
    setRollBack(false);
    abortion.open();
  };
  return (
    <>
      {isOpen(rollout) && (
        <Button color="red" variant="outline" leftSection={<IconPlayerStop size={16} aria-hidden />} onClick={open}>
          Abort
        </Button>
      )}
      <ConfirmDialog
        {...abortion.dialog}
        title="Abort this rollout?"
        phrase="abort rollout"
        action="Abort rollout"
        color="red"
      >
        <Text size="sm">
          {isRollingBack
            ? 'Stores that have not returned to their former revisions yet keep the change. '
            : 'Stores that have not been started are left as they are. '}
          Operations that run already will go on. An aborted rollout can't be resumed.
        </Text>
        {!isRollingBack && (
          <Checkbox
            label="Return changed stores to their former revisions"
            description={`${count(changed, 'store')} ${changed === 1 ? 'has' : 'have'} been changed by now.`}
            checked={rollBack}
            disabled={abortion.isPending}
            onChange={(event) => setRollBack(event.currentTarget.checked)}
          />
        )}
        <RequestProblem title="The rollout was not aborted" error={abortion.error} />
      </ConfirmDialog>
    </>
  );
}
