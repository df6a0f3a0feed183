import { Paper } from '@mantine/core';
import { ListCards } from '@/ui/list-cards';
import { TokenActions } from './token-actions';
import { Created, Expiry, LastUse, RoleAndScope, State, type TokenListProps, TokenName } from './token-cells';

/** The tokens on a phone. */
export function TokenCards({ tokens, outdated, onDialog }: TokenListProps) {
  return (
    <ListCards label="Tokens" rows={tokens} outdated={outdated} height={180}>
      {(token) => (
        <Paper component="li" withBorder p="sm" key={token.tokenId}>
          <TokenName token={token} />
          <State token={token} />
          <dl className="pairs">
            <dt>Role</dt>
            <dd>
              <RoleAndScope token={token} />
            </dd>
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
          <TokenActions token={token} onDialog={onDialog} />
        </Paper>
      )}
    </ListCards>
  );
}
