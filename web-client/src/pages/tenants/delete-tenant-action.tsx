import { Button, Text } from '@mantine/core';
import { useApi } from '@/api/api';
import { TENANTS } from '@/api/queries';
import type { Tenant } from '@/gen/storeplane/v1/tenant_service_pb';
import { ConfirmDialog } from '@/ui/confirm-dialog';
import { RequestProblem } from '@/ui/request-problem';
import { useDialogRequest } from '@/ui/use-dialog-request';

/** The server never deletes it. */
const DEFAULT_TENANT = 'default';

/** Deletes a tenant, once its ID was typed. The server refuses while it has stores. */
export function DeleteTenantAction({ tenant: { tenantId, etag } }: { tenant: Tenant }) {
  const { clients } = useApi();
  const deletion = useDialogRequest([TENANTS], (requestId, signal) =>
    clients.tenants.deleteTenant({ tenantId, etag, requestId }, { signal }),
  );
  if (tenantId === DEFAULT_TENANT) return null;
  return (
    <>
      <Button size="xs" variant="outline" color="red" aria-label={`Delete ${tenantId}`} onClick={deletion.open}>
        Delete
      </Button>
      <ConfirmDialog
        {...deletion.dialog}
        title={`Delete ${tenantId}?`}
        phrase={tenantId}
        action="Delete tenant"
        color="red"
      >
        <Text size="sm">
          Its tokens are revoked. Its audit log and the history of its stores are kept, so the ID can't be used again.
          This can't be undone.
        </Text>
        <Text size="sm">A tenant can be deleted once all of its stores are deleted.</Text>
        <RequestProblem title="The tenant was not deleted" error={deletion.error} />
      </ConfirmDialog>
    </>
  );
}
