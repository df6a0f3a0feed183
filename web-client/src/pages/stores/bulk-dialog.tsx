import { Button, Group, Modal, Progress, Stack, Text, TextInput } from '@mantine/core';
import { type FormEvent, useRef, useState } from 'react';
import { useApi } from '@/api/api';
import { count } from '@/format/words';
import type { Store } from '@/gen/storeplane/v1/store_pb';
import { rescueFocus } from '@/ui/page-title';
import { type BulkCall, type BulkRun, useBulkRun } from './bulk-run';

export type BulkAction = 'delete' | 'retry';

const TEXT = {
  delete: {
    verb: 'Delete',
    running: 'Deleting',
    done: 'deleted',
    warning: "Each shop is removed with all its data: orders, customers, products. This can't be undone.",
  },
  retry: {
    verb: 'Retry',
    running: 'Retrying',
    done: 'retried',
    warning:
      'The chart is applied again to each store. Volumes and Secrets are kept. A store whose namespace is gone becomes a new, empty shop.',
  },
} as const;

interface Props {
  action: BulkAction;
  stores: Store[];
  /** The action succeeded for these: they leave the selection. */
  onDone: (stores: Store[]) => void;
  onClose: () => void;
}

/** Confirms an action on many stores, shows its progress, and names the stores it failed for. It closes only when nothing runs. */
export function BulkDialog({ action, stores, onDone, onClose }: Props) {
  const { clients } = useApi();
  const [opened, setOpened] = useState(true);
  const [typed, setTyped] = useState('');
  // The dialog keeps these stores, even if the selection changes meanwhile.
  const { current: asked } = useRef(stores);
  const call: BulkCall = async (store, requestId) => {
    const { storeId, uid } = store;
    if (action === 'delete') await clients.stores.deleteStore({ storeId, uid, requestId });
    else await clients.stores.retryStore({ storeId, uid, requestId });
    onDone([store]);
  };
  const { run, start, stop } = useBulkRun(call);
  const text = TEXT[action];
  const phrase = `${action} ${count(asked.length, 'store')}`;
  const isConfirmed = action === 'retry' || typed.trim().toLowerCase() === phrase;
  const close = () => {
    if (run.phase === 'running') return stop();
    setOpened(false);
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (isConfirmed) start(asked);
  };
  return (
    <Modal
      opened={opened}
      onClose={close}
      title={run.phase === 'idle' ? `${text.verb} ${count(asked.length, 'store')}?` : `${text.verb} stores`}
      closeOnClickOutside={run.phase !== 'running'}
      closeButtonProps={{ 'aria-label': 'Close' }}
      onExitTransitionEnd={() => {
        rescueFocus();
        onClose();
      }}
    >
      {run.phase === 'idle' ? (
        <form onSubmit={submit}>
          <Stack>
            <Text size="sm">{text.warning}</Text>
            <Text component="div" className="observed">
              {asked.map((store) => store.storeId).join('\n')}
            </Text>
            {action === 'delete' && (
              <TextInput
                label={
                  <>
                    Type <b>{phrase}</b> to confirm
                  </>
                }
                autoComplete="off"
                data-autofocus
                value={typed}
                onChange={(event) => setTyped(event.currentTarget.value)}
              />
            )}
            <Group justify="flex-end">
              <Button variant="default" onClick={close}>
                Cancel
              </Button>
              <Button type="submit" color={action === 'delete' ? 'red' : undefined} disabled={!isConfirmed}>
                {text.verb}
              </Button>
            </Group>
          </Stack>
        </form>
      ) : (
        <RunView run={run} text={text} onStop={stop} onClose={close} onRetry={start} />
      )}
    </Modal>
  );
}

interface RunViewProps {
  run: BulkRun;
  text: (typeof TEXT)[BulkAction];
  onStop: () => void;
  onClose: () => void;
  onRetry: (stores: Store[]) => void;
}

function RunView({ run, text, onStop, onClose, onRetry }: RunViewProps) {
  const { phase, total, done, failed, skipped } = run;
  const attempted = done.length + failed.length;
  const summary = [
    `${done.length} ${text.done}`,
    failed.length > 0 && `${failed.length} failed`,
    skipped.length > 0 && `${skipped.length} not attempted`,
  ].filter(Boolean);
  const remaining = [...failed.map(({ store }) => store), ...skipped];
  return (
    <Stack>
      <Text size="sm" fw={600} role="status" className="numbers">
        {phase === 'running' ? `${text.running} ${Math.min(attempted + 1, total)} of ${total}…` : summary.join(', ')}
      </Text>
      <Progress value={(attempted / total) * 100} aria-label={`${attempted} of ${total}`} />
      {failed.length > 0 && (
        <ul className="plain observed" aria-label="Failed">
          {failed.map(({ store, message }) => (
            <li key={store.uid}>
              {store.storeId}: {message}
            </li>
          ))}
        </ul>
      )}
      <Group justify="flex-end">
        {phase === 'running' && (
          <Button variant="default" onClick={onStop}>
            Stop
          </Button>
        )}
        {phase === 'ended' && remaining.length > 0 && (
          <Button variant="default" onClick={() => onRetry(remaining)}>
            Try {remaining.length} again
          </Button>
        )}
        {phase === 'ended' && (
          <Button onClick={onClose} data-autofocus>
            Close
          </Button>
        )}
      </Group>
    </Stack>
  );
}
