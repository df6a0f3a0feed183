import { Group, Table, Text } from '@mantine/core';
import type { DnsRecord } from '@/gen/storeplane/v1/domain_service_pb';
import { Copy } from '@/ui/copy';

/** DNS records to create, each part with a button that copies it. */
export function Records({ records }: { records: DnsRecord[] }) {
  return (
    <Table.ScrollContainer minWidth={420}>
      <Table aria-label="DNS records to create" verticalSpacing={4}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Type</Table.Th>
            <Table.Th>Name</Table.Th>
            <Table.Th>Value</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {records.map(({ type, name, value }) => (
            <Table.Tr key={`${type} ${name} ${value}`}>
              <Table.Td>{type}</Table.Td>
              <Cell text={name} what={`name of the ${type} record`} />
              <Cell text={value} what={`value of the ${type} record`} />
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

function Cell({ text, what }: { text: string; what: string }) {
  return (
    <Table.Td>
      <Group gap={4} wrap="nowrap">
        <Text size="sm" className="mono wrap">
          {text}
        </Text>
        <Copy text={text} what={what} />
      </Group>
    </Table.Td>
  );
}
