import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { useApi } from '@/api/api';
import { useFocusRescue } from '@/ui/page-title';
import { PageButtons, usePageTokens } from '@/ui/page-tokens';
import { QueryProblem } from '@/ui/query-problem';
import { useIsNarrow } from '@/ui/use-is-narrow';
import { BackupCards } from './backup-cards';
import { BackupsTable } from './backups-table';
import type { RestoreOffer } from './restore-backup';
import type { UndeleteOffer } from './undelete-store';

interface Props {
  filter: string;
  /** Lists only the backups of stores with this ID. */
  storeId?: string;
  pageSize: number;
  /** False on the page of one store. */
  showStore: boolean;
  /** Absent where the present store is not known, or is deleted. */
  restore?: RestoreOffer;
  /** Only for a deleted store. */
  undelete?: UndeleteOffer;
  /** Shown in place of an empty list. */
  empty: ReactNode;
}

/** Backups, the newest first. Events of their stores refresh them. */
export function BackupsList({ filter, storeId = '', pageSize, showStore, restore, undelete, empty }: Props) {
  const { queries } = useApi();
  const pages = usePageTokens(`${storeId} ${filter}`);
  const page = useQuery(queries.backups({ storeId, filter, pageSize, pageToken: pages.token }));
  const List = useIsNarrow() ? BackupCards : BackupsTable;
  // Buttons disappear when the backup changes its state, and with the row of a deleted one.
  const rescue = useFocusRescue();
  // Rows of another filter stay until the answer is there, and go if there is none.
  const data = page.error && page.isPlaceholderData ? undefined : page.data;
  return (
    <>
      <QueryProblem title="The backups couldn't be loaded" query={page} />
      {data?.backups.length === 0 && !page.isPlaceholderData ? (
        empty
      ) : (
        <div {...rescue}>
          {(data || page.isPending) && (
            <List
              backups={data?.backups}
              outdated={page.isPlaceholderData}
              showStore={showStore}
              restore={restore}
              undelete={undelete}
            />
          )}
        </div>
      )}
      <PageButtons pages={pages} next={data?.nextPageToken} labels={{ previous: 'Newer', next: 'Older' }} />
    </>
  );
}
