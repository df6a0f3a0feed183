import { Button, TextInput } from '@mantine/core';
import { useState } from 'react';
import { useApi } from '@/api/api';
import { problem } from '@/api/problem';
import type { Tenant } from '@/gen/storeplane/v1/tenant_service_pb';
import { ConfirmDialog } from '@/ui/confirm-dialog';
import { ProblemAlert } from '@/ui/problem-alert';
import { draftOf, limitText, type QuotaDraft, quotasOf } from './quota-draft';
import { useTenantRequest } from './use-tenant-request';

const FIELDS: [keyof QuotaDraft, string][] = [
  ['stores', 'Stores'],
  ['plans', 'Plans (* for all)'],
  ['cpu', 'CPU of all stores'],
  ['memory', 'Memory of all stores'],
  ['storage', 'Storage of all stores'],
  ['creations', 'Creations by one caller within the window'],
  ['deletions', 'Deletions by one caller within the window'],
];

/** Changes the quotas of a tenant. */
export function QuotasAction({ tenant }: { tenant: Tenant }) {
  const { clients } = useApi();
  const { tenantId, etag, quotas, effectiveQuotas } = tenant;
  const [draft, setDraft] = useState(draftOf(quotas));
  const update = useTenantRequest((requestId, signal) =>
    clients.tenants.updateTenant(
      { tenantId, etag, requestId, tenant: { quotas: quotasOf(draft) }, updateMask: { paths: ['quotas'] } },
      { signal },
    ),
  );
  const open = () => {
    setDraft(draftOf(quotas));
    update.open();
  };
  const violations = update.error ? problem(update.error).violations : new Map<string, string>();
  const applied = draftOf(effectiveQuotas);
  return (
    <>
      <Button size="xs" variant="default" aria-label={`Quotas of ${tenantId}`} onClick={open}>
        Quotas
      </Button>
      <ConfirmDialog
        opened={update.opened}
        title={`Quotas of ${tenantId}`}
        action="Save quotas"
        pending={update.isPending}
        onConfirm={update.send}
        onClose={update.close}
        onAbort={update.abort}
      >
        {FIELDS.map(([field, label]) => (
          <TextInput
            key={field}
            label={label}
            placeholder={quotas && draftOf(quotas)[field] ? 'default' : `default: ${applied[field] || limitText(-1n)}`}
            autoComplete="off"
            spellCheck={false}
            disabled={update.isPending}
            value={draft[field]}
            error={violations.get(`tenant.quotas.${field}`)}
            onChange={(event) => setDraft({ ...draft, [field]: event.currentTarget.value })}
          />
        ))}
        {update.error && violations.size === 0 && (
          <ProblemAlert title="The quotas were not changed" error={update.error} />
        )}
      </ConfirmDialog>
    </>
  );
}
