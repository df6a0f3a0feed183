import { Group, Paper, Text } from '@mantine/core';
import { ListCards } from '@/ui/list-cards';
import { Created, Expiry, LastUse, State, TokenActions, type TokenListProps, TokenName } from './token-cells';

/** The tokens on a phone. */
export function TokenCards({ tokens, outdated, onRequest }: TokenListProps) {
  return (
    <ListCards label="Tokens" rows={tokens} outdated={outdated} height={180}>
      {(token) => (
        <Paper component="li" withBorder p="sm" key={token.tokenId}>
          <Group justify="space-between" gap="xs" wrap="nowrap" align="flex-start">
            <div>
              <TokenName token={token} />
            </div>
            <Text size="sm">{token.role}</Text>
          </Group>
          <State token={token} />
          <dl className="pairs">
            <dt>Expires</dt>
            <dd>
              <Expiry token={token} />
            </dd>
            <dt>Last used</dt>
            <dd>
              <LastUse token={token} />
            </dd>
            <dt>Created</dt>
            <dd>
              <Created token={token} />
            </dd>
          </dl>
          <TokenActions token={token} onRequest={onRequest} />
        </Paper>
      )}
    </ListCards>
  );
}
