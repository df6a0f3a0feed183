import { AuditOutcome } from '@/gen/storeplane/v1/audit_pb';
import { quote } from '../stores/search';

export const ACTIONS = [
  'CREATE_STORE',
  'DELETE_STORE',
  'FORCE_DELETE_STORE',
  'UPDATE_STORE',
  'ROLLBACK_STORE',
  'RETRY_STORE',
  'ROTATE_CREDENTIALS',
  'RESTORE_STORE',
  'COPY_STORE',
  'UNDELETE_STORE',
  'CREATE_BACKUP',
  'DELETE_BACKUP',
  'EXPIRE_BACKUP',
  'CREATE_ROLLOUT',
  'PAUSE_ROLLOUT',
  'RESUME_ROLLOUT',
  'ABORT_ROLLOUT',
  'CANCEL_OPERATION',
  'READ_CREDENTIALS',
  'READ_LOGS',
  'CREATE_TOKEN',
  'REVOKE_TOKEN',
  'ROTATE_TOKEN',
  'CREATE_SIGN_IN_CODE',
  'SIGN_IN',
  'SIGN_OUT',
  'REVOKE_SESSIONS',
  'CREATE_TENANT',
  'UPDATE_TENANT',
  'SUSPEND_TENANT',
  'RESUME_TENANT',
  'DELETE_TENANT',
  'REPAIR_RELEASE',
  'ADOPT_STORE',
  'READ',
] as const;
export const OUTCOMES = [AuditOutcome.ACCEPTED, AuditOutcome.REJECTED, AuditOutcome.DENIED].map(
  (outcome) => AuditOutcome[outcome] as string,
);

/** The URL's part of the audit log. `from` and `to` are days in the viewer's time zone, both included. */
export interface ActivitySearch {
  q?: string;
  actor?: string;
  target?: string;
  action?: string;
  outcome?: string;
  peer?: string;
  from?: string;
  to?: string;
}

export function activitySearch(search: Record<string, unknown>): ActivitySearch {
  const text = (value: unknown) => (value === undefined || value === '' ? undefined : String(value));
  const day = (value: unknown) => (typeof value === 'string' && /^\d{4}-\d\d-\d\d$/.test(value) ? value : undefined);
  return {
    q: text(search.q),
    actor: text(search.actor),
    target: text(search.target),
    action: ACTIONS.find((each) => each === search.action),
    outcome: OUTCOMES.find((each) => each === search.outcome),
    peer: text(search.peer),
    from: day(search.from),
    to: day(search.to),
  };
}

/** The filter of ListAuditEvents (AIP-160). */
export function auditFilter({ q, actor, target, action, outcome, peer, from, to }: ActivitySearch): string {
  const parts: string[] = [];
  if (q?.trim()) parts.push(quote(q.trim()));
  if (actor) parts.push(`actor = ${quote(actor)}`);
  if (target) parts.push(`target = ${quote(target)}`);
  if (action) parts.push(`action = ${action}`);
  if (outcome) parts.push(`outcome = ${outcome}`);
  if (peer) parts.push(`peer = ${quote(peer)}`);
  if (from) parts.push(`time >= ${quote(midnight(from, 0))}`);
  if (to) parts.push(`time < ${quote(midnight(to, 1))}`);
  return parts.join(' AND ');
}

/** When the day that is `later` days after `day` begins in the viewer's time zone. */
function midnight(day: string, later: number): string {
  const [year = 0, month = 1, date = 1] = day.split('-').map(Number);
  return new Date(year, month - 1, date + later).toISOString();
}
