import { Switch } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { useApi } from '@/api/api';
import { Empty } from '@/ui/empty';
import { useFocusRescue } from '@/ui/page-title';
import { PageButtons, usePageTokens } from '@/ui/page-tokens';
import { QueryProblem } from '@/ui/query-problem';
import { useIsNarrow } from '@/ui/use-is-narrow';
import { TokenCards } from './token-cards';
import type { TokenListProps } from './token-cells';
import { TokensTable } from './tokens-table';

const route = getRouteApi('/tokens');
/** No event tells that a token was created or used. */
const REFETCH_MS = 15_000;

/** The tokens of the caller's tenant. */
export function TokensList({ onDialog }: Pick<TokenListProps, 'onDialog'>) {
  const { queries } = useApi();
  const { inactive = false } = route.useSearch();
  const navigate = route.useNavigate();
  const pages = usePageTokens(String(inactive));
  const page = useQuery({
    ...queries.tokens({ showInactive: inactive, pageToken: pages.token }),
    refetchInterval: REFETCH_MS,
  });
  const List = useIsNarrow() ? TokenCards : TokensTable;
  // The row of a revoked token disappears with its buttons.
  const rescue = useFocusRescue();
  // Rows of another filter stay until the answer is there, and go if there is none.
  const data = page.error && page.isPlaceholderData ? undefined : page.data;
  return (
    <>
      <Switch
        label="Show expired and revoked"
        checked={inactive}
        onChange={(event) => void navigate({ search: event.currentTarget.checked ? { inactive: true } : {} })}
      />
      <QueryProblem title="The tokens couldn't be loaded" query={page} />
      {data?.tokens.length === 0 && !page.isPlaceholderData ? (
        <Empty title="No tokens" />
      ) : (
        <div {...rescue}>
          {(data || page.isPending) && (
            <List tokens={data?.tokens} outdated={page.isPlaceholderData} onDialog={onDialog} />
          )}
        </div>
      )}
      <PageButtons pages={pages} next={data?.nextPageToken} labels={{ previous: 'Newer', next: 'Older' }} />
    </>
  );
}
