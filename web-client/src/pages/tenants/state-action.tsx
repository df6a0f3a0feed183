import { Button, Text } from '@mantine/core';
import { useApi } from '@/api/api';
import { TENANTS } from '@/api/queries';
import { type Tenant, TenantState } from '@/gen/storeplane/v1/tenant_service_pb';
import { ConfirmDialog } from '@/ui/confirm-dialog';
import { RequestProblem } from '@/ui/request-problem';
import { useDialogRequest } from '@/ui/use-dialog-request';

/** Suspends a tenant, or ends its suspension. */
export function StateAction({ tenant }: { tenant: Tenant }) {
  const { clients } = useApi();
  const { tenantId, etag, state } = tenant;
  const isSuspended = state === TenantState.SUSPENDED;
  const change = useDialogRequest([TENANTS], (requestId, signal) =>
    isSuspended
      ? clients.tenants.resumeTenant({ tenantId, etag, requestId }, { signal })
      : clients.tenants.suspendTenant({ tenantId, etag, requestId }, { signal }),
  );
  const action = isSuspended ? 'Resume' : 'Suspend';
  return (
    <>
      <Button
        size="xs"
        variant="default"
        aria-label={`${action} ${tenantId}`}
        color={isSuspended ? undefined : 'red'}
        onClick={change.open}
      >
        {action}
      </Button>
      <ConfirmDialog
        {...change.dialog}
        title={`${action} ${tenantId}?`}
        phrase={isSuspended ? undefined : tenantId}
        action={isSuspended ? 'Resume tenant' : 'Suspend tenant'}
        color={isSuspended ? undefined : 'red'}
      >
        <Text size="sm">
          {isSuspended
            ? 'Its users and tokens work again.'
            : 'Its users and tokens are refused within 10 seconds. Its shops keep running, and operations in progress continue.'}
        </Text>
        <RequestProblem title="The tenant was not changed" error={change.error} />
      </ConfirmDialog>
    </>
  );
}
