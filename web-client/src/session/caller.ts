import { useQuery } from '@tanstack/react-query';
import { useApi } from '@/api/api';
import { DEFAULT_WINDOW_HOURS } from '@/api/queries';

/** Interval at which an idle page reads the caller and the server's version. */
const REFETCH_MS = 60_000;

/** The signed-in caller, and the server. */
export function useCaller() {
  const { queries } = useApi();
  return useQuery({
    ...queries.overview(DEFAULT_WINDOW_HOURS),
    refetchInterval: REFETCH_MS,
    select: ({ caller, serverVersion, simulated }) => ({ caller, serverVersion, simulated }),
  });
}

/** True if the caller may change stores. It decides what is offered; the server decides what is allowed. */
export function useCanEdit(): boolean {
  const role = useCaller().data?.caller?.role;
  return role === 'operator' || role === 'admin';
}
