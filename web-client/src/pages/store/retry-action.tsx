import { Button, Text, Tooltip } from '@mantine/core';
import { IconRefresh } from '@tabler/icons-react';
import { useRef } from 'react';
import { useApi } from '@/api/api';
import { storeKeys } from '@/api/queries';
import type { Operation } from '@/gen/storeplane/v1/operation_pb';
import { type Store, StoreState } from '@/gen/storeplane/v1/store_pb';
import { ConfirmDialog } from '@/ui/confirm-dialog';
import { RequestProblem } from '@/ui/request-problem';
import { driftOf } from '@/ui/store-marks';
import { useDialogRequest } from '@/ui/use-dialog-request';
import { retryQuestion } from './retry-question';

/** Retries a store. Asks for confirmation if that loses data, or if nothing is wrong. */
export function RetryAction({ store, operations }: { store: Store; operations: Operation[] }) {
  const { clients } = useApi();
  const { storeId, uid, etag } = store;
  const retry = useDialogRequest(storeKeys(storeId), (requestId, signal) =>
    clients.stores.retryStore({ storeId, uid, etag, requestId }, { signal }),
  );
  const current = retryQuestion(store, operations);
  // The dialog fades out after the store has left the state in which it was opened.
  const last = useRef(current);
  if (current) last.current = current;
  const question = last.current;
  if (!question) return null;
  const problem = <RequestProblem title="The retry failed" error={retry.error} />;
  return (
    <>
      {current && (
        <Tooltip label={question.text} multiline w={260}>
          <Button
            variant={store.state === StoreState.READY && !driftOf(store) ? 'default' : 'filled'}
            leftSection={<IconRefresh size={16} aria-hidden />}
            loading={retry.isPending && !retry.opened}
            onClick={question.mustConfirm ? retry.open : retry.send}
          >
            {question.label}
          </Button>
        </Tooltip>
      )}
      {!retry.opened && problem}
      <ConfirmDialog
        {...retry.dialog}
        title={question.title}
        action={question.action}
        color={question.losesData ? 'red' : undefined}
      >
        <Text size="sm">{question.text}</Text>
        {problem}
      </ConfirmDialog>
    </>
  );
}
