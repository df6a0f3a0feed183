import { Button, TextInput } from '@mantine/core';
import { useState } from 'react';
import { useApi } from '@/api/api';
import { violationsOf } from '@/api/problem';
import { TENANTS } from '@/api/queries';
import type { Tenant } from '@/gen/storeplane/v1/tenant_service_pb';
import { ConfirmDialog } from '@/ui/confirm-dialog';
import { RequestProblem } from '@/ui/request-problem';
import { useDialogRequest } from '@/ui/use-dialog-request';
import { draftOf, limitText, type QuotaDraft, quotasOf } from './quota-draft';

const FIELDS: [keyof QuotaDraft, string][] = [
  ['stores', 'Stores'],
  ['plans', 'Plans (* for all)'],
  ['cpu', 'CPU of all stores'],
  ['memory', 'Memory of all stores'],
  ['storage', 'Storage of all stores'],
  ['creations', 'Creations by one caller within the window'],
  ['deletions', 'Deletions by one caller within the window'],
  ['backups', 'Backups on demand'],
];

const fieldPath = (field: keyof QuotaDraft) => `tenant.quotas.${field}`;

/** Changes the quotas of a tenant. */
export function QuotasAction({ tenant }: { tenant: Tenant }) {
  const { clients } = useApi();
  const { tenantId, etag, quotas, effectiveQuotas } = tenant;
  const [draft, setDraft] = useState(draftOf(quotas));
  const update = useDialogRequest([TENANTS], (requestId, signal) =>
    clients.tenants.updateTenant(
      { tenantId, etag, requestId, tenant: { quotas: quotasOf(draft) }, updateMask: { paths: ['quotas'] } },
      { signal },
    ),
  );
  const open = () => {
    setDraft(draftOf(quotas));
    update.open();
  };
  const violations = violationsOf(update.error);
  const applied = draftOf(effectiveQuotas);
  return (
    <>
      <Button size="xs" variant="default" aria-label={`Quotas of ${tenantId}`} onClick={open}>
        Quotas
      </Button>
      <ConfirmDialog {...update.dialog} title={`Quotas of ${tenantId}`} action="Save quotas">
        {FIELDS.map(([field, label]) => (
          <TextInput
            key={field}
            label={label}
            placeholder={quotas && draftOf(quotas)[field] ? 'default' : `default: ${applied[field] || limitText(-1n)}`}
            autoComplete="off"
            spellCheck={false}
            disabled={update.isPending}
            value={draft[field]}
            error={violations.get(fieldPath(field))}
            onChange={(event) => setDraft({ ...draft, [field]: event.currentTarget.value })}
          />
        ))}
        <RequestProblem
          title="The quotas were not changed"
          error={update.error}
          fields={FIELDS.map(([field]) => fieldPath(field))}
        />
      </ConfirmDialog>
    </>
  );
}
