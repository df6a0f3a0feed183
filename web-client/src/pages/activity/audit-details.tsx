import { ActionIcon, Popover, Table } from '@mantine/core';
import { IconInfoCircle } from '@tabler/icons-react';
import type { AuditEvent } from '@/gen/storeplane/v1/audit_pb';

/** Everything about a record that has no column. */
export function AuditDetails({ event }: { event: AuditEvent }) {
  const rows = details(event);
  return (
    <Popover width={520} position="bottom-end" withArrow shadow="md">
      <Popover.Target>
        <ActionIcon
          variant="subtle"
          color="gray"
          aria-label={`Details of record ${event.sequence || event.auditEventId}`}
        >
          <IconInfoCircle size={16} aria-hidden />
        </ActionIcon>
      </Popover.Target>
      <Popover.Dropdown>
        <Table fz="xs" withRowBorders={false}>
          <Table.Tbody>
            {rows.map(([name, value]) => (
              <Table.Tr key={name}>
                <Table.Th w={110} style={{ verticalAlign: 'top' }}>
                  {name}
                </Table.Th>
                <Table.Td className="mono" style={{ overflowWrap: 'anywhere' }}>
                  {value}
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Popover.Dropdown>
    </Popover>
  );
}

export function details(event: AuditEvent): [name: string, value: string][] {
  const credential = [event.credentialKind, event.credentialId].filter(Boolean).join(' ');
  const rows: [string, string][] = [
    ['Record', event.sequence > 0n ? `${event.sequence}` : 'not in the chain'],
    ['Credential', credential],
    ['Address', event.peer],
    ['User agent', event.userAgent],
    ['Request', event.requestId],
    ['Trace', event.traceId],
    ...changes(event.changes),
    ['Hash', event.hash],
  ];
  return rows.filter(([, value]) => value !== '');
}

interface Changes {
  before?: Record<string, unknown>;
  after?: Record<string, unknown>;
}

/** One row for each field that changed: `before → after`. */
function changes(json: string): [string, string][] {
  const { before = {}, after = {} } = parse(json);
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  return names.map((name) => {
    const value = text(after[name]);
    return [name, name in before ? `${text(before[name])} → ${value}` : value];
  });
}

function parse(json: string): Changes {
  try {
    return json ? (JSON.parse(json) as Changes) : {};
  } catch {
    return {};
  }
}

function text(value: unknown): string {
  if (value === undefined || value === null) return '–';
  return typeof value === 'string' ? value : JSON.stringify(value);
}
