import { Group, Stack, Text } from '@mantine/core';
import { Fragment, type ReactNode, useState } from 'react';
import { useIsAdmin } from '@/session/caller';
import { Empty } from '@/ui/empty';
import { PageTitle } from '@/ui/page-title';
import { NewToken } from './new-token';
import { TokensList } from './tokens-list';

/** The tokens of the caller's tenant, for admins. */
export function TokensPage() {
  const isAdmin = useIsAdmin();
  // Each dialog stays after it was closed, until the next: it returns the focus.
  const [dialog, setDialog] = useState<{ id: number; content?: ReactNode }>({ id: 0 });
  const open = (content: ReactNode) => setDialog(({ id }) => ({ id: id + 1, content }));
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
        isAdmin && <TokensList onDialog={open} />
      )}
      <Fragment key={dialog.id}>{dialog.content}</Fragment>
    </Stack>
  );
}
