import { Code, ConnectError } from '@connectrpc/connect';
import type { Clients } from '@/api/clients';
import { withRetries } from '@/api/retry';
import { type Issued, issued } from './issued';
import { requestOf, scope, type TokenDraft } from './token-draft';

/** Creates a token. Of a server that is too old to limit it to stores, nothing remains: it would be valid for all of them. */
export async function createToken(
  { tokens }: Clients,
  draft: TokenDraft,
  requestId: string,
  signal: AbortSignal,
): Promise<Issued> {
  const request = requestOf(draft);
  const created = await issued(tokens.createToken({ ...request, requestId }, { signal }));
  const { token, secret } = created;
  if (!token || scope(request).length === 0 || scope(token).length > 0) return created;
  secret.forget();
  try {
    await withRetries((signal) => tokens.revokeToken({ tokenId: token.tokenId }, { signal }), signal);
  } catch (error) {
    if (signal.aborted) throw error;
    throw new ConnectError(
      'this server is too old to limit a token to stores, and the token that it created could not be revoked: revoke it in the list',
      Code.FailedPrecondition,
    );
  }
  throw new ConnectError(
    'this server is too old to limit a token to stores; the token that it created was revoked',
    Code.FailedPrecondition,
  );
}
