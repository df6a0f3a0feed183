import { useQuery } from '@tanstack/react-query';
import { useApi } from '@/api/api';
import { Empty } from '@/ui/empty';
import { useFocusRescue } from '@/ui/page-title';
import { PageButtons, usePageTokens } from '@/ui/page-tokens';
import { QueryProblem } from '@/ui/query-problem';
import { useIsNarrow } from '@/ui/use-is-narrow';
import { SessionCards } from './session-cards';
import type { SessionListProps } from './session-cells';
import { SessionsTable } from './sessions-table';

/** No event tells that somebody signed in or out. */
const REFETCH_MS = 15_000;

/** The sessions of the browsers of the caller's tenant. */
export function SessionsList({ onDialog }: Pick<SessionListProps, 'onDialog'>) {
  const { queries } = useApi();
  const pages = usePageTokens('');
  const page = useQuery({ ...queries.sessions({ pageToken: pages.token }), refetchInterval: REFETCH_MS });
  const { data } = page;
  const List = useIsNarrow() ? SessionCards : SessionsTable;
  // The row of a session that was revoked disappears with its button.
  const rescue = useFocusRescue();
  return (
    <>
      <QueryProblem title="The sessions couldn't be loaded" query={page} />
      {data?.sessions.length === 0 ? (
        <Empty title={pages.token ? 'No more sessions' : 'No sessions'} />
      ) : (
        <div {...rescue}>
          {(data || page.isPending) && (
            <List sessions={data?.sessions} outdated={page.isPlaceholderData} onDialog={onDialog} />
          )}
        </div>
      )}
      <PageButtons pages={pages} next={data?.nextPageToken} labels={{ previous: 'Newer', next: 'Older' }} />
    </>
  );
}
