import { Button, Text, TextInput, Tooltip } from '@mantine/core';
import { IconArchive } from '@tabler/icons-react';
import { useState } from 'react';
import { useApi } from '@/api/api';
import { violationOf, violationsOf } from '@/api/problem';
import { BACKUPS, storeKeys } from '@/api/queries';
import type { Store } from '@/gen/storeplane/v1/store_pb';
import { ConfirmDialog } from '@/ui/confirm-dialog';
import { RequestProblem } from '@/ui/request-problem';
import { useDialogRequest } from '@/ui/use-dialog-request';

/** As the server limits it. */
const DESCRIPTION_MAX = 200;

/** Creates a backup with an optional description. `refusal` says why that is not possible now. */
export function CreateBackup({ store, refusal }: { store: Store; refusal: string | undefined }) {
  const { clients } = useApi();
  const { storeId, uid } = store;
  const [description, setDescription] = useState('');
  const creation = useDialogRequest([BACKUPS, ...storeKeys(storeId)], (requestId, signal) =>
    clients.backups.createBackup({ storeId, storeUid: uid, description: description.trim(), requestId }, { signal }),
  );
  const open = () => {
    setDescription('');
    creation.open();
  };
  return (
    <>
      <Tooltip label={refusal} disabled={!refusal} multiline maw={260}>
        <Button
          size="xs"
          variant="default"
          leftSection={<IconArchive size={16} aria-hidden />}
          data-disabled={refusal !== undefined || undefined}
          aria-disabled={refusal !== undefined}
          onClick={refusal ? (event) => event.preventDefault() : open}
        >
          Create backup
        </Button>
      </Tooltip>
      <ConfirmDialog {...creation.dialog} title={`Back up ${store.displayName}?`} action="Create backup">
        <Text size="sm">The database and the uploaded files are stored encrypted. The shop keeps selling.</Text>
        <TextInput
          label="Description"
          description="Optional, for example the change that follows"
          autoComplete="off"
          data-autofocus
          maxLength={DESCRIPTION_MAX}
          disabled={creation.isPending}
          value={description}
          error={violationOf(violationsOf(creation.error), 'description')}
          onChange={(event) => setDescription(event.currentTarget.value)}
        />
        <RequestProblem title="The backup was not created" error={creation.error} fields={['description']} />
      </ConfirmDialog>
    </>
  );
}
