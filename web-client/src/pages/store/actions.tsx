import { Button, Group, Modal, Stack, Text } from '@mantine/core';
import { IconExternalLink, IconPlayerStop, IconRefresh, IconTrash } from '@tabler/icons-react';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useApi } from '@/api/api';
import { uuid } from '@/api/uuid';
import { type Store, StoreState } from '@/gen/storeplane/v1/store_pb';
import { ProblemAlert } from '@/ui/problem-alert';

/** What can be done with a store in its state. */
export function Actions({ store, mayChange }: { store: Store; mayChange: boolean }) {
  const { clients } = useApi();
  const queryClient = useQueryClient();
  const [asking, setAsking] = useState(false);
  const refresh = () => queryClient.invalidateQueries({ queryKey: ['store', store.storeId] });
  const { storeId, uid, operation, state } = store;
  const retry = useMutation({
    mutationFn: (requestId: string) => clients.stores.retryStore({ storeId, requestId }),
    onSettled: refresh,
  });
  const cancel = useMutation({
    mutationFn: (requestId: string) => clients.operations.cancelOperation({ operationId: operation, requestId }),
    onSettled: refresh,
  });
  const deletion = useMutation({
    mutationFn: (requestId: string) => clients.stores.deleteStore({ storeId, uid, requestId }),
    onSuccess: () => setAsking(false),
    onSettled: refresh,
  });
  const failed = retry.error ?? cancel.error;
  const isBusy = state === StoreState.PROVISIONING || state === StoreState.UPDATING;
  const isThere = state === StoreState.READY || state === StoreState.DEGRADED;
  const isGoing = state === StoreState.DELETING || state === StoreState.DELETED;

  return (
    <Stack gap="xs" align="flex-end">
      <Group gap="xs">
        {isThere && (
          <Button
            component="a"
            href={store.shopUrl}
            target="_blank"
            rel="noreferrer"
            variant="default"
            rightSection={<IconExternalLink size={16} aria-hidden />}
          >
            Open shop
          </Button>
        )}
        {mayChange && (state === StoreState.FAILED || state === StoreState.DEGRADED) && (
          <Button
            leftSection={<IconRefresh size={16} aria-hidden />}
            loading={retry.isPending}
            onClick={() => retry.mutate(uuid())}
          >
            Retry
          </Button>
        )}
        {mayChange && isBusy && (
          <Button
            variant="default"
            leftSection={<IconPlayerStop size={16} aria-hidden />}
            loading={cancel.isPending}
            disabled={cancel.isSuccess && cancel.data.operationId === operation}
            onClick={() => cancel.mutate(uuid())}
          >
            {cancel.isSuccess && cancel.data.operationId === operation ? 'Cancelling…' : 'Cancel'}
          </Button>
        )}
        {mayChange && !isGoing && (
          <Button
            color="red"
            variant="outline"
            leftSection={<IconTrash size={16} aria-hidden />}
            onClick={() => setAsking(true)}
          >
            Delete
          </Button>
        )}
      </Group>
      {failed && <ProblemAlert title="That did not work" error={failed} />}
      <Modal
        opened={asking}
        onClose={() => setAsking(false)}
        title={`Delete ${store.displayName}?`}
        closeButtonProps={{ 'aria-label': 'Close' }}
      >
        <Stack>
          <Text size="sm">
            The shop <b>{storeId}</b> is removed with all its data: orders, customers, products. Nothing of it can be
            brought back.
          </Text>
          {deletion.error && <ProblemAlert title="The store was not deleted" error={deletion.error} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={() => setAsking(false)} data-autofocus>
              Keep it
            </Button>
            <Button color="red" loading={deletion.isPending} onClick={() => deletion.mutate(uuid())}>
              Delete store
            </Button>
          </Group>
        </Stack>
      </Modal>
    </Stack>
  );
}
