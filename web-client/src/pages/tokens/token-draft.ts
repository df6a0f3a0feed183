import type { MessageInitShape } from '@bufbuild/protobuf';
import type { CreateTokenRequestSchema } from '@/gen/storeplane/v1/token_service_pb';
import { DEFAULT_LIFETIME, lifetime } from './lifetimes';

/** A new token as a person types it. */
export interface TokenDraft {
  name: string;
  role: string;
  days: string;
  /** IDs with commas or spaces between them. */
  storeIds: string;
  storeIdPrefix: string;
}

export const EMPTY: TokenDraft = {
  name: '',
  role: 'viewer',
  days: DEFAULT_LIFETIME,
  storeIds: '',
  storeIdPrefix: '',
};

/** The fields of the request that the form shows. */
export const FIELDS = ['name', 'role', 'ttl', 'store_ids', 'store_id_prefix'];

/** The roles that can be limited to some stores. */
const LIMITABLE = ['viewer', 'operator'];

export function isLimitable({ role }: TokenDraft): boolean {
  return LIMITABLE.includes(role);
}

/** The request for a draft. What was typed into fields that its role does not show is not sent. */
export function requestOf(draft: TokenDraft): MessageInitShape<typeof CreateTokenRequestSchema> {
  const { name, role, days, storeIds, storeIdPrefix } = draft;
  const scope = isLimitable(draft)
    ? { storeIds: storeIds.split(/[\s,]+/).filter((id) => id !== ''), storeIdPrefix: storeIdPrefix.trim() }
    : {};
  return { name, role, ttl: lifetime(days), ...scope };
}

/** The stores to which a token is limited, the prefix first. */
export function scope({ storeIds = [], storeIdPrefix }: { storeIds?: string[]; storeIdPrefix?: string }): string[] {
  return [...(storeIdPrefix ? [`${storeIdPrefix}*`] : []), ...storeIds];
}
