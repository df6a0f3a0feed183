import { Button, Tooltip } from '@mantine/core';
import { IconAdjustments } from '@tabler/icons-react';
import { useState } from 'react';
import type { Operation } from '@/gen/storeplane/v1/operation_pb';
import type { Store } from '@/gen/storeplane/v1/store_pb';
import { EditDialog } from './edit-dialog';
import { editRefusal } from './refusal';

export interface EditStoreProps {
  store: Store;
  /** The operation that is running, if any. */
  running: Operation | undefined;
  canEdit: boolean;
}

/** Changes the store's settings, or says why that is not possible now. */
export function EditStore({ store, running, canEdit }: EditStoreProps) {
  const [asked, setAsked] = useState(0);
  const refusal = editRefusal(store, running, canEdit);
  return (
    <>
      <Tooltip label={refusal} disabled={!refusal} multiline maw={260}>
        <Button
          variant="default"
          leftSection={<IconAdjustments size={16} aria-hidden />}
          data-disabled={refusal !== undefined || undefined}
          aria-disabled={refusal !== undefined}
          onClick={refusal ? (event) => event.preventDefault() : () => setAsked(asked + 1)}
        >
          Edit
        </Button>
      </Tooltip>
      {asked > 0 && <EditDialog key={asked} store={store} />}
    </>
  );
}
