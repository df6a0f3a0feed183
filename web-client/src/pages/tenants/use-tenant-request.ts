import { useDisclosure } from '@mantine/hooks';
import { useQueryClient } from '@tanstack/react-query';
import { useRequest } from '@/api/use-request';
import type { Tenant } from '@/gen/storeplane/v1/tenant_service_pb';

/** A change of a tenant from a dialog, which closes when it has succeeded. */
export function useTenantRequest(call: (requestId: string, signal: AbortSignal) => Promise<Tenant>) {
  const queryClient = useQueryClient();
  const [opened, { open, close }] = useDisclosure();
  const request = useRequest({
    call,
    onSuccess: close,
    onSettled: () => void queryClient.invalidateQueries({ queryKey: ['tenants'] }),
  });
  return {
    ...request,
    opened,
    close,
    open: () => {
      request.reset();
      open();
    },
  };
}
