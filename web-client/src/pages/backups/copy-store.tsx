import { Button, Tooltip } from '@mantine/core';
import { IconCopy } from '@tabler/icons-react';
import { useState } from 'react';
import type { Backup } from '@/gen/storeplane/v1/backup_service_pb';
import type { Store } from '@/gen/storeplane/v1/store_pb';
import { nameOf } from './backup-name';
import { CopyDialog } from './copy-dialog';

/** Copies a store as it is. `refusal` says why that is not possible now. */
export function CopyStore({ store: { storeId, uid }, refusal }: { store: Store; refusal: string | undefined }) {
  const [asked, setAsked] = useState(0);
  return (
    <>
      <Tooltip label={refusal} disabled={!refusal} multiline maw={260}>
        <Button
          size="xs"
          variant="default"
          leftSection={<IconCopy size={16} aria-hidden />}
          data-disabled={refusal !== undefined || undefined}
          aria-disabled={refusal !== undefined}
          onClick={refusal ? (event) => event.preventDefault() : () => setAsked(asked + 1)}
        >
          Copy this store
        </Button>
      </Tooltip>
      {asked > 0 && <CopyDialog key={asked} storeId={storeId} storeUid={uid} />}
    </>
  );
}

/** Creates a store with the data of a backup, whatever became of the store that was backed up. */
export function CopyBackup({ backup }: { backup: Backup }) {
  const [asked, setAsked] = useState(0);
  return (
    <>
      <Button
        size="xs"
        variant="default"
        aria-label={`Copy from backup of ${nameOf(backup)}`}
        onClick={() => setAsked(asked + 1)}
      >
        Copy
      </Button>
      {asked > 0 && <CopyDialog key={asked} storeId={backup.storeId} storeUid={backup.storeUid} backup={backup} />}
    </>
  );
}
