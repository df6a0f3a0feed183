import { Button, TextInput } from '@mantine/core';
import { IconPlus } from '@tabler/icons-react';
import { useState } from 'react';
import { useApi } from '@/api/api';
import { violationsOf } from '@/api/problem';
import { TENANTS } from '@/api/queries';
import { ConfirmDialog } from '@/ui/confirm-dialog';
import { RequestProblem } from '@/ui/request-problem';
import { useDialogRequest } from '@/ui/use-dialog-request';

/** Creates a tenant with the server's default quotas. */
export function NewTenant() {
  const { clients } = useApi();
  const [tenantId, setTenantId] = useState('');
  const [displayName, setDisplayName] = useState('');
  const creation = useDialogRequest([TENANTS], (requestId, signal) =>
    clients.tenants.createTenant({ tenantId: tenantId.trim(), tenant: { displayName }, requestId }, { signal }),
  );
  const open = () => {
    setTenantId('');
    setDisplayName('');
    creation.open();
  };
  const violations = violationsOf(creation.error);
  return (
    <>
      <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={open}>
        New tenant
      </Button>
      <ConfirmDialog {...creation.dialog} title="New tenant" action="Create tenant">
        <TextInput
          label="ID"
          description="Used in URLs and namespaces, at most 15 characters. Can't be changed later or used again."
          autoComplete="off"
          spellCheck={false}
          disabled={creation.isPending}
          value={tenantId}
          error={violations.get('tenant_id')}
          onChange={(event) => setTenantId(event.currentTarget.value)}
        />
        <TextInput
          label="Name"
          autoComplete="off"
          disabled={creation.isPending}
          value={displayName}
          error={violations.get('tenant.display_name')}
          onChange={(event) => setDisplayName(event.currentTarget.value)}
        />
        <RequestProblem
          title="The tenant was not created"
          error={creation.error}
          fields={['tenant_id', 'tenant.display_name']}
        />
      </ConfirmDialog>
    </>
  );
}
