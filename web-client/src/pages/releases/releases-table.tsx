import { Table } from '@mantine/core';
import type { Release } from '@/gen/storeplane/v1/platform_pb';
import { ListTable } from '@/ui/list-table';
import { Ago } from '@/ui/time';
import { chart, Owner, ReleaseName, releaseKey, status } from './release-cells';

const COLUMNS = ['Namespace', 'Belongs to', 'Status', 'Chart', 'Revision', 'Updated'];

export interface ReleaseListProps {
  releases: Release[] | undefined;
  /** True while the rows are those of the filter before. */
  outdated: boolean;
}

export function ReleasesTable({ releases, outdated }: ReleaseListProps) {
  return (
    <ListTable label="Helm releases" columns={COLUMNS} rows={releases} outdated={outdated}>
      {(release) => (
        <Table.Tr key={releaseKey(release)}>
          <Table.Td maw={280}>
            <ReleaseName release={release} />
          </Table.Td>
          <Table.Td maw={200}>
            <Owner release={release} />
          </Table.Td>
          <Table.Td>{status(release)}</Table.Td>
          <Table.Td>{chart(release)}</Table.Td>
          <Table.Td>{release.revision}</Table.Td>
          <Table.Td>
            <Ago time={release.updateTime} />
          </Table.Td>
        </Table.Tr>
      )}
    </ListTable>
  );
}
