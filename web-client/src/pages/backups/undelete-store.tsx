import { Button } from '@mantine/core';
import { IconArrowBackUp } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useApi } from '@/api/api';
import { BACKUPS_PAGE_SIZE } from '@/api/queries';
import type { Backup } from '@/gen/storeplane/v1/backup_service_pb';
import { type Store, StoreState } from '@/gen/storeplane/v1/store_pb';
import { useCanEdit } from '@/session/caller';
import { quote } from '../stores/search';
import { nameOf } from './backup-name';
import { UndeleteDialog } from './undelete-dialog';

/** A deleted store whose ID is free, with its newest complete backups. */
export interface UndeleteOffer {
  store: Store;
  backups: Backup[];
}

/** Undefined if the store can't be undeleted: it exists, its ID has another store, or it has no complete backup. */
export function useUndeleteOffer(store: Store): UndeleteOffer | undefined {
  const { queries } = useApi();
  const { storeId, uid, state } = store;
  const enabled = useCanEdit() && state === StoreState.DELETED;
  // Without a uid, the store that exists comes before deleted ones.
  const present = useQuery({ ...queries.store(storeId, ''), enabled });
  const isFree = enabled && present.data?.state === StoreState.DELETED;
  const filter = `store_uid = ${quote(uid)} AND state = COMPLETE`;
  const complete = useQuery({
    ...queries.backups({ storeId, filter, pageSize: BACKUPS_PAGE_SIZE, pageToken: '' }),
    enabled: isFree,
  });
  const backups = isFree ? (complete.data?.backups ?? []) : [];
  return backups.length > 0 ? { store, backups } : undefined;
}

/** What was asked for last. It stays while the request runs, though the offer ends once the new store exists. */
interface Question {
  number: number;
  offer: UndeleteOffer;
  initial: Backup;
}

function useQuestion() {
  const [question, setQuestion] = useState<Question>();
  return {
    ask: (offer: UndeleteOffer, initial: Backup) =>
      setQuestion((before) => ({ number: (before?.number ?? 0) + 1, offer, initial })),
    dialog: question && <UndeleteDialog key={question.number} {...question.offer} initial={question.initial} />,
  };
}

/** Creates a deleted store again, from its newest backup unless another one is chosen. */
export function UndeleteStore({ store }: { store: Store }) {
  const offer = useUndeleteOffer(store);
  const { ask, dialog } = useQuestion();
  const newest = offer?.backups[0];
  return (
    <>
      {newest && (
        <Button leftSection={<IconArrowBackUp size={16} aria-hidden />} onClick={() => ask(offer, newest)}>
          Undelete
        </Button>
      )}
      {dialog}
    </>
  );
}

interface RowProps {
  /** Absent while the store can't be undeleted. */
  offer: UndeleteOffer | undefined;
  backup: Backup;
}

/** The same from this backup, unless another one is chosen. */
export function UndeleteFromBackup({ offer, backup }: RowProps) {
  const { ask, dialog } = useQuestion();
  return (
    <>
      {offer && (
        <Button
          size="xs"
          variant="default"
          aria-label={`Undelete from backup of ${nameOf(backup)}`}
          onClick={() => ask(offer, backup)}
        >
          Undelete
        </Button>
      )}
      {dialog}
    </>
  );
}
