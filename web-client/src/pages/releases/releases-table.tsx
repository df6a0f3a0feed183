import { Skeleton, Table } from '@mantine/core';
import type { Release } from '@/gen/storeplane/v1/platform_pb';
import { Ago } from '@/ui/time';
import { chart, Owner, ReleaseName, releaseKey, status } from './release-cells';

const PLACEHOLDERS = [1, 2, 3, 4, 5, 6, 7, 8];

export interface ReleaseListProps {
  releases: Release[] | undefined;
  /** True while the rows are those of the filter before. */
  outdated: boolean;
}

export function ReleasesTable({ releases, outdated }: ReleaseListProps) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
    <section className="scroll" aria-label="Helm releases" tabIndex={0}>
      <Table
        className="table"
        verticalSpacing={4}
        aria-busy={!releases || outdated}
        data-outdated={outdated || undefined}
      >
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Namespace</Table.Th>
            <Table.Th>Belongs to</Table.Th>
            <Table.Th>Status</Table.Th>
            <Table.Th>Chart</Table.Th>
            <Table.Th>Revision</Table.Th>
            <Table.Th>Updated</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {!releases &&
            PLACEHOLDERS.map((row) => (
              <Table.Tr key={row}>
                <Table.Td colSpan={6}>
                  <Skeleton height={20} />
                </Table.Td>
              </Table.Tr>
            ))}
          {releases?.map((release) => (
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
          ))}
        </Table.Tbody>
      </Table>
    </section>
  );
}
