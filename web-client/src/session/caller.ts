import { useQuery } from '@tanstack/react-query';
import { useApi } from '@/api/api';
import { DEFAULT_WINDOW_HOURS } from '@/api/queries';

/** How often a page without news asks who it is and which server answers. */
const ASK_EVERY_MS = 60_000;

/** Who is signed in, to which server. */
export function useCaller() {
  const { queries } = useApi();
  return useQuery({
    ...queries.overview(DEFAULT_WINDOW_HOURS),
    refetchInterval: ASK_EVERY_MS,
    select: ({ caller, serverVersion, simulated }) => ({ caller, serverVersion, simulated }),
  });
}

/** True if the caller may change stores. Only what is offered depends on it; the server decides. */
export function useMayChange(): boolean {
  const role = useCaller().data?.caller?.role;
  return role === 'operator' || role === 'admin';
}
