import { Button, Group } from '@mantine/core';
import { IconExternalLink } from '@tabler/icons-react';
import type { Operation } from '@/gen/storeplane/v1/operation_pb';
import { type Store, StoreState } from '@/gen/storeplane/v1/store_pb';
import { useFocusRescue } from '@/ui/page-title';
import { LazyUndeleteStore } from '../backups/lazy-backups';
import { LazyEditStore } from '../settings/lazy-settings';
import { CancelAction } from './cancel-action';
import { DeleteAction } from './delete-action';
import { RetryAction } from './retry-action';
import { runningOperation } from './summary';

interface Props {
  store: Store;
  operations: Operation[];
  canEdit: boolean;
}

/** What can be done with a store in its state. */
export function Actions({ store, operations, canEdit }: Props) {
  const { state, shopUrl } = store;
  const running = runningOperation(store, operations);
  const isOnline = state === StoreState.READY || state === StoreState.DEGRADED;
  return (
    <Group gap="xs" {...useFocusRescue()}>
      {isOnline && (
        <Button
          component="a"
          href={shopUrl}
          target="_blank"
          rel="noreferrer"
          variant="default"
          rightSection={<IconExternalLink size={16} aria-hidden />}
        >
          Open shop
        </Button>
      )}
      {state !== StoreState.DELETED && <LazyEditStore store={store} running={running} canEdit={canEdit} />}
      {canEdit && (
        <>
          <RetryAction store={store} operations={operations} />
          <CancelAction store={store} running={running} />
          <DeleteAction store={store} />
          {state === StoreState.DELETED && <LazyUndeleteStore store={store} />}
        </>
      )}
    </Group>
  );
}
