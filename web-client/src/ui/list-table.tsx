import { Skeleton, Table } from '@mantine/core';
import type { ReactNode } from 'react';

const PLACEHOLDERS = [1, 2, 3, 4, 5, 6, 7, 8];

interface Props<T> {
  /** What the rows are, for screen readers. */
  label: string;
  columns: string[];
  /** Absent until the first answer. */
  rows: T[] | undefined;
  /** True while the rows are those of the filter before. */
  outdated: boolean;
  /** A `Table.Tr` with a key. */
  children: (row: T) => ReactNode;
}

/** A table that scrolls sideways, with placeholders until its rows are there. */
export function ListTable<T>({ label, columns, rows, outdated, children }: Props<T>) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
    <section className="scroll" aria-label={label} tabIndex={0}>
      <Table className="table" verticalSpacing={4} aria-busy={!rows || outdated} data-outdated={outdated || undefined}>
        <Table.Thead>
          <Table.Tr>
            {columns.map((column) => (
              <Table.Th key={column}>{column}</Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {!rows &&
            PLACEHOLDERS.map((row) => (
              <Table.Tr key={row}>
                <Table.Td colSpan={columns.length}>
                  <Skeleton height={20} />
                </Table.Td>
              </Table.Tr>
            ))}
          {rows?.map(children)}
        </Table.Tbody>
      </Table>
    </section>
  );
}
