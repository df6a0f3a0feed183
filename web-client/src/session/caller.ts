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

/** The roles that manage their tenant's tokens. */
const ADMINS = ['admin', 'platform_admin'];

/** Every role, the most powerful last. */
const ROLES = ['viewer', 'auditor', 'operator', 'admin', 'platform_admin'];

/** Whether the caller has one of these roles; `undefined` until its role is known. */
function useHasRole(roles: readonly string[]): boolean | undefined {
  const role = useCaller().data?.caller?.role;
  return role === undefined ? undefined : roles.includes(role);
}

// These decide what is offered; the server decides what is allowed.

/** Whether the caller may read the audit log. */
export const useCanAudit = () => useHasRole(AUDITORS);

/** Whether the caller manages its tenant's tokens. */
export const useIsAdmin = () => useHasRole(ADMINS);

/** Whether the caller acts in every tenant. */
export const useIsPlatformAdmin = () => useHasRole(['platform_admin']);

/** True if the caller may change stores. */
export const useCanEdit = () => useHasRole(EDITORS) ?? false;

/** Whether this is the caller's name. */
export const useIsCaller = (name: string) => useCaller().data?.caller?.name === name;

/** The roles that the caller may give to a token: none above its own. */
export function useGrantableRoles(): readonly string[] {
  const role = useCaller().data?.caller?.role ?? '';
  return ADMINS.includes(role) ? ROLES.slice(0, ROLES.indexOf(role) + 1) : [];
}
