import { Button, TextInput } from '@mantine/core';
import { IconPlus } from '@tabler/icons-react';
import { useState } from 'react';
import { useApi } from '@/api/api';
import { problem } from '@/api/problem';
import { ConfirmDialog } from '@/ui/confirm-dialog';
import { ProblemAlert } from '@/ui/problem-alert';
import { useTenantRequest } from './use-tenant-request';

/** Creates a tenant with the server's default quotas. */
export function NewTenant() {
  const { clients } = useApi();
  const [tenantId, setTenantId] = useState('');
  const [displayName, setDisplayName] = useState('');
  const creation = useTenantRequest((requestId, signal) =>
    clients.tenants.createTenant({ tenantId: tenantId.trim(), tenant: { displayName }, requestId }, { signal }),
  );
  const open = () => {
    setTenantId('');
    setDisplayName('');
    creation.open();
  };
  const violations = creation.error ? problem(creation.error).violations : new Map<string, string>();
  const ofId = violations.get('tenant_id');
  const ofName = violations.get('tenant.display_name');
  return (
    <>
      <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={open}>
        New tenant
      </Button>
      <ConfirmDialog
        opened={creation.opened}
        title="New tenant"
        action="Create tenant"
        pending={creation.isPending}
        onConfirm={creation.send}
        onClose={creation.close}
        onAbort={creation.abort}
      >
        <TextInput
          label="ID"
          description="Used in URLs and namespaces, at most 15 characters. Can't be changed later or used again."
          autoComplete="off"
          spellCheck={false}
          disabled={creation.isPending}
          value={tenantId}
          error={ofId}
          onChange={(event) => setTenantId(event.currentTarget.value)}
        />
        <TextInput
          label="Name"
          autoComplete="off"
          disabled={creation.isPending}
          value={displayName}
          error={ofName}
          onChange={(event) => setDisplayName(event.currentTarget.value)}
        />
        {creation.error && !ofId && !ofName && (
          <ProblemAlert title="The tenant was not created" error={creation.error} />
        )}
      </ConfirmDialog>
    </>
  );
}
