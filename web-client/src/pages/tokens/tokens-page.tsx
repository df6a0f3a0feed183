import { Group, SegmentedControl, Stack, Text } from '@mantine/core';
import { getRouteApi } from '@tanstack/react-router';
import { Fragment, type ReactNode, useState } from 'react';
import { useIsAdmin } from '@/session/caller';
import { Empty } from '@/ui/empty';
import { PageTitle } from '@/ui/page-title';
import { NewToken } from './new-token';
import { SessionsList } from './sessions-list';
import { TokensList } from './tokens-list';

const route = getRouteApi('/tokens');

/** The tokens of the caller's tenant and the sessions of its users, for admins. */
export function TokensPage() {
  const isAdmin = useIsAdmin();
  const { view } = route.useSearch();
  const navigate = route.useNavigate();
  const List = view === 'sessions' ? SessionsList : TokensList;
  // Each dialog stays after it was closed, until the next: it returns the focus.
  const [dialog, setDialog] = useState<{ id: number; content?: ReactNode }>({ id: 0 });
  const open = (content: ReactNode) => setDialog(({ id }) => ({ id: id + 1, content }));
  return (
    <Stack gap="md">
      <Group justify="space-between" align="flex-start">
        <div>
          <PageTitle tab="Tokens">Tokens</PageTitle>
          <Text className="dimmed" size="sm">
            What programs and people call the API with, and who is signed in. Every change is audited.
          </Text>
        </div>
        <NewToken />
      </Group>
      {isAdmin && (
        <SegmentedControl
          aria-label="View"
          w="max-content"
          value={view ?? 'tokens'}
          data={[
            { value: 'tokens', label: 'Tokens' },
            { value: 'sessions', label: 'Sessions' },
          ]}
          onChange={(value) => void navigate({ search: value === 'sessions' ? { view: 'sessions' } : {} })}
        />
      )}
      {isAdmin === false ? (
        <Empty title="Tokens are for admins">Sign in with the role admin or platform_admin to manage them.</Empty>
      ) : (
        isAdmin && <List onDialog={open} />
      )}
      <Fragment key={dialog.id}>{dialog.content}</Fragment>
    </Stack>
  );
}
