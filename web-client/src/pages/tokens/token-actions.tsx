import { Button, Group } from '@mantine/core';
import { type Token, TokenState } from '@/gen/storeplane/v1/token_service_pb';
import { useGrantableRoles } from '@/session/caller';
import { RevokeDialog } from './revoke-dialog';
import { RotateDialog } from './rotate-dialog';
import type { TokenListProps } from './token-cells';

/** What the caller may do with the token: nothing with one above its own role, or that has ended. */
export function TokenActions({ token, onDialog }: { token: Token } & Pick<TokenListProps, 'onDialog'>) {
  const isManageable = useGrantableRoles().includes(token.role);
  if (!isManageable || token.state !== TokenState.VALID) return null;
  return (
    <Group gap="xs" justify="flex-end" wrap="nowrap">
      <Button
        size="xs"
        variant="default"
        aria-label={`Rotate ${token.name}`}
        onClick={() => onDialog(<RotateDialog token={token} />)}
      >
        Rotate
      </Button>
      <Button
        size="xs"
        variant="outline"
        color="red"
        aria-label={`Revoke ${token.name}`}
        onClick={() => onDialog(<RevokeDialog token={token} />)}
      >
        Revoke
      </Button>
    </Group>
  );
}
