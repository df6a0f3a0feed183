import { useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useApi } from '@/api/api';
import type { Store } from '@/gen/storeplane/v1/store_pb';
import { requestTitleFocus } from '@/ui/page-title';

/** Opens the page of a store that was just created. */
export function useOpenCreated(): (store: Store) => void {
  const { queries } = useApi();
  const queryClient = useQueryClient();
  const navigate = useNavigate();
  return (store) => {
    const { storeId } = store;
    queryClient.setQueryData(queries.store(storeId, '').queryKey, store);
    void queryClient.invalidateQueries({ queryKey: ['stores'] });
    // The page of a deleted store has the same path.
    requestTitleFocus();
    void navigate({ to: '/stores/$storeId', params: { storeId } });
  };
}
