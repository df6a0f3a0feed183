import { useQuery } from '@tanstack/react-query';
import { useApi } from '@/api/api';
import { DEFAULT_WINDOW_HOURS } from '@/api/queries';
import { isDown } from './dependencies';

/** Interval at which an idle page reads the caller and the server's version. */
const REFETCH_MS = 60_000;

/** The same while the server, or something that it depends on, does not answer. */
const REFETCH_IN_OUTAGE_MS = 5_000;

/** Who is signed in, to which server, and what that depends on. */
export function useCaller() {
  const { queries } = useApi();
  return useQuery({
    ...queries.overview(DEFAULT_WINDOW_HOURS),
    refetchInterval: ({ state }) =>
      state.error || state.data?.dependencies.some(isDown) ? REFETCH_IN_OUTAGE_MS : REFETCH_MS,
    select: ({ caller, serverVersion, simulated, dependencies }) => ({
      caller,
      serverVersion,
      simulated,
      dependencies,
    }),
  });
}

/** The roles that may change stores. Viewers and auditors only read. */
const EDITORS = ['operator', 'admin', 'platform_admin'];

/** The roles that may read the audit log. */
const AUDITORS = ['auditor', 'admin', 'platform_admin'];

/** Whether the caller may read the audit log; `undefined` until its role is known. The server decides what is allowed. */
export function useCanAudit(): boolean | undefined {
  const role = useCaller().data?.caller?.role;
  return role === undefined ? undefined : AUDITORS.includes(role);
}

/** True if the caller acts in every tenant; undefined until that is known. */
export function useIsPlatformAdmin(): boolean | undefined {
  const role = useCaller().data?.caller?.role;
  return role === undefined ? undefined : role === 'platform_admin';
}

/** True if the caller may change stores. It decides what is offered; the server decides what is allowed. */
export function useCanEdit(): boolean {
  const role = useCaller().data?.caller?.role;
  return role !== undefined && EDITORS.includes(role);
}
