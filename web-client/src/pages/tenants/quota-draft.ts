import type { MessageInitShape } from '@bufbuild/protobuf';
import type { TenantQuotas, TenantQuotasSchema } from '@/gen/storeplane/v1/tenant_service_pb';

/** The quotas of a tenant as a person types them; empty means the server's default. */
export interface QuotaDraft {
  stores: string;
  plans: string;
  cpu: string;
  memory: string;
  storage: string;
  creations: string;
  deletions: string;
  backups: string;
}

export const UNLIMITED = 'unlimited';

/** A limit as text. */
export function limitText(limit: bigint | undefined): string {
  if (limit === undefined) return '';
  return limit === -1n ? UNLIMITED : String(limit);
}

/** What was set for a tenant. */
export function draftOf(quotas: TenantQuotas | undefined): QuotaDraft {
  return {
    stores: limitText(quotas?.stores),
    plans: quotas?.plans.join(', ') ?? '',
    cpu: quotas?.cpu ?? '',
    memory: quotas?.memory ?? '',
    storage: quotas?.storage ?? '',
    creations: limitText(quotas?.creations),
    deletions: limitText(quotas?.deletions),
    backups: limitText(quotas?.backups),
  };
}

/** The request's quotas; a number that cannot be read is sent as one that the server refuses. */
export function quotasOf(draft: QuotaDraft): MessageInitShape<typeof TenantQuotasSchema> {
  const number = (text: string) => {
    const trimmed = text.trim();
    if (trimmed === '') return undefined;
    if (trimmed === UNLIMITED) return -1n;
    return /^\d{1,18}$/.test(trimmed) ? BigInt(trimmed) : -2n;
  };
  return {
    stores: number(draft.stores),
    plans: draft.plans.split(/[\s,]+/).filter((plan) => plan !== ''),
    cpu: draft.cpu.trim(),
    memory: draft.memory.trim(),
    storage: draft.storage.trim(),
    creations: number(draft.creations),
    deletions: number(draft.deletions),
    backups: number(draft.backups),
  };
}
