import { timestampMs } from '@bufbuild/protobuf/wkt';
import { Text } from '@mantine/core';
import type { ReactNode } from 'react';
import { serverNow } from '@/api/server-clock';
import { words } from '@/format/words';
import { type Token, TokenState } from '@/gen/storeplane/v1/token_service_pb';
import { useIsCaller } from '@/session/caller';
import { Ago, Until } from '@/ui/time';
import { scope } from './token-draft';

export interface TokenListProps {
  tokens: Token[] | undefined;
  /** True while the rows are those of the filter before. */
  outdated: boolean;
  /** Opens a dialog on the page: rows may disappear while it shows a secret. */
  onDialog: (dialog: ReactNode) => void;
}

const COLORS: Record<TokenState, string> = {
  [TokenState.UNSPECIFIED]: 'gray',
  [TokenState.VALID]: 'teal',
  [TokenState.EXPIRED]: 'gray',
  [TokenState.REVOKED]: 'red',
};

/** An expiry that is nearer than this is pointed out. */
const SOON_MS = 7 * 86_400_000;

/** Whether the caller is signed in with this token: names of valid tokens are unique. */
export function useIsOwn({ name, state }: Token): boolean {
  return useIsCaller(name) && state === TokenState.VALID;
}

/** Whether the secret before the last rotation still works. */
export function hasOverlap({ state, previousSecretExpireTime }: Token): boolean {
  return (
    state === TokenState.VALID && !!previousSecretExpireTime && timestampMs(previousSecretExpireTime) > serverNow()
  );
}

/** Name, and the end of the ID that the audit log shows. */
export function TokenName({ token }: { token: Token }) {
  const isOwn = useIsOwn(token);
  return (
    <>
      <Text size="sm" fw={600} className="wrap">
        {token.name}
        {isOwn && ' (you)'}
      </Text>
      <Text className="mono dimmed" title={token.tokenId}>
        …{token.tokenId.slice(-12)}
      </Text>
    </>
  );
}

/** The number of stores that are named; the others are in the title. */
const SHOWN_STORES = 3;

/** The role, and to which stores it is limited. */
export function RoleAndScope({ token }: { token: Token }) {
  const stores = scope(token);
  const more = stores.length - SHOWN_STORES;
  return (
    <>
      {token.role}
      {stores.length > 0 && (
        <Text className="mono dimmed wrap" title={stores.join(', ')}>
          {stores.slice(0, SHOWN_STORES).join(', ')}
          {more > 0 && ` and ${more} more`}
        </Text>
      )}
    </>
  );
}

export function Created({ token: { createTime, createdBy } }: { token: Token }) {
  return (
    <>
      <Ago time={createTime} />
      <Text size="xs" className="dimmed wrap">
        by {createdBy}
      </Text>
    </>
  );
}

export function LastUse({ token: { lastUseTime } }: { token: Token }) {
  return lastUseTime ? <Ago time={lastUseTime} /> : 'Not yet';
}

export function Expiry({ token: { expireTime, state } }: { token: Token }) {
  if (!expireTime) return <span className="warning">Never</span>;
  const isSoon = state === TokenState.VALID && timestampMs(expireTime) - serverNow() < SOON_MS;
  return (
    <span className={isSoon ? 'warning' : undefined}>
      <Until time={expireTime} />
    </span>
  );
}

/** The state, with who ended it, or until when two secrets work. */
export function State({ token }: { token: Token }) {
  const { state, revokeTime, revokedBy, previousSecretExpireTime } = token;
  return (
    <>
      <span className="outcome">
        <span className="dot" style={{ background: `var(--mantine-color-${COLORS[state]}-6)` }} />
        {words(TokenState[state] ?? 'unknown')}
      </span>
      {state === TokenState.REVOKED && (
        <Text size="xs" className="dimmed wrap">
          <Ago time={revokeTime} /> by {revokedBy}
        </Text>
      )}
      {hasOverlap(token) && (
        <Text size="xs" className="dimmed">
          Old secret ends <Until time={previousSecretExpireTime} />
        </Text>
      )}
    </>
  );
}
