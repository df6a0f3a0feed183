import { Text } from '@mantine/core';
import { outcome, reasonTitle } from '@/format/words';
import { type AuditEvent, AuditOutcome } from '@/gen/storeplane/v1/audit_pb';
import { AnchorLink } from '@/ui/link';

const COLORS: Record<AuditOutcome, string> = {
  [AuditOutcome.UNSPECIFIED]: 'gray',
  [AuditOutcome.ACCEPTED]: 'teal',
  [AuditOutcome.REJECTED]: 'yellow',
  [AuditOutcome.DENIED]: 'red',
};

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const KINDS = ['token', 'operation', 'backup', 'rollout'];

/** What a request was about: a store or rollout with a link, or an object that has only an ID. */
export function AuditTarget({ event: { action, target, storeUid } }: { event: AuditEvent }) {
  if (storeUid && !UUID.test(target)) {
    return (
      <AnchorLink
        to="/stores/$storeId"
        params={{ storeId: target }}
        search={{ uid: storeUid }}
        size="sm"
        className="mono"
        truncate
        display="block"
      >
        {target}
      </AnchorLink>
    );
  }
  if (UUID.test(target) && action.endsWith('_ROLLOUT')) {
    return (
      <AnchorLink
        to="/rollouts/$rolloutId"
        params={{ rolloutId: target }}
        size="sm"
        className="mono"
        truncate
        display="block"
        title={target}
      >
        {targetText(action, target)}
      </AnchorLink>
    );
  }
  return (
    <Text className="mono" truncate title={target}>
      {targetText(action, target)}
    </Text>
  );
}

/** Tokens, operations, backups and rollouts have no name in the log. The last group of their UUID distinguishes them; the first is a time. */
export function targetText(action: string, target: string): string {
  if (!UUID.test(target)) return target || '–';
  const kind = KINDS.find((kind) => action.endsWith(`_${kind.toUpperCase()}`)) ?? '';
  return `${kind} …${target.slice(-12)}`.trim();
}

export function Outcome({ event }: { event: AuditEvent }) {
  return (
    <>
      <span className="outcome">
        <span className="dot" style={{ background: `var(--mantine-color-${COLORS[event.outcome]}-6)` }} />
        {outcome(event.outcome)}
      </span>
      {event.reason && (
        <Text size="xs" className="dimmed">
          {reasonTitle(event.reason)}
        </Text>
      )}
    </>
  );
}
