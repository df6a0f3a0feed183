import { Group, Stack, Switch, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { useState } from 'react';
import { useApi } from '@/api/api';
import { useIsAdmin } from '@/session/caller';
import { Empty } from '@/ui/empty';
import { PageTitle, useFocusRescue } from '@/ui/page-title';
import { PageButtons, usePageTokens } from '@/ui/page-tokens';
import { QueryProblem } from '@/ui/query-problem';
import { useIsNarrow } from '@/ui/use-is-narrow';
import { NewToken } from './new-token';
import { RevokeDialog } from './revoke-dialog';
import { RotateDialog } from './rotate-dialog';
import { TokenCards } from './token-cards';
import type { TokenRequest } from './token-cells';
import { TokensTable } from './tokens-table';

const route = getRouteApi('/tokens');
/** No event tells that a token was created or used. */
const REFETCH_MS = 15_000;

/** The tokens of the caller's tenant, for admins. */
export function TokensPage() {
  const isAdmin = useIsAdmin();
  // Each request has a dialog of its own, which stays after it was closed: it returns the focus.
  const [{ request, id }, setDialog] = useState<{ request?: TokenRequest; id: number }>({ id: 0 });
  const Dialog = request?.action === 'rotate' ? RotateDialog : RevokeDialog;
  return (
    <Stack gap="md">
      <Group justify="space-between" align="flex-start">
        <div>
          <PageTitle tab="Tokens">Tokens</PageTitle>
          <Text className="dimmed" size="sm">
            What programs and people call the API with. Every change is audited.
          </Text>
        </div>
        <NewToken />
      </Group>
      {isAdmin === false ? (
        <Empty title="Tokens are for admins">Sign in with the role admin or platform_admin to manage them.</Empty>
      ) : (
        isAdmin && <Tokens onRequest={(request) => setDialog({ request, id: id + 1 })} />
      )}
      {/* Not in its row, which may disappear while the dialog shows a secret. */}
      {request && <Dialog key={id} token={request.token} />}
    </Stack>
  );
}

function Tokens({ onRequest }: { onRequest: (request: TokenRequest) => void }) {
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
            <List tokens={data?.tokens} outdated={page.isPlaceholderData} onRequest={onRequest} />
          )}
        </div>
      )}
      <PageButtons pages={pages} next={data?.nextPageToken} labels={{ previous: 'Newer', next: 'Older' }} />
    </>
  );
}
