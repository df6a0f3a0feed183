import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useRequest } from '@/api/use-request';

/** A request about one store, with its confirmation dialog. */
export function useStoreRequest<T>(storeId: string, call: (requestId: string, signal: AbortSignal) => Promise<T>) {
  const queryClient = useQueryClient();
  const [opened, setOpened] = useState(false);
  const refresh = () => {
    void queryClient.invalidateQueries({ queryKey: ['store', storeId] });
    void queryClient.invalidateQueries({ queryKey: ['operations', storeId] });
  };
  const request = useRequest({
    call,
    onSuccess: () => setOpened(false),
    onSettled: refresh,
  });
  return {
    ...request,
    opened,
    open: () => {
      request.reset();
      setOpened(true);
    },
    close: () => setOpened(false),
  };
}
