import { Skeleton } from '@mantine/core';
import type { ReactNode } from 'react';

interface Props<T> {
  /** What the cards are, for screen readers. */
  label: string;
  /** Absent until the first answer. */
  rows: readonly T[] | undefined;
  /** True while the rows are those of the filter before. */
  outdated: boolean;
  /** Of a placeholder. */
  height: number;
  /** A list item with a key. */
  children: (row: T) => ReactNode;
}

/** A list on a phone, with placeholders until its cards are there. */
export function ListCards<T>({ label, rows, outdated, height, children }: Props<T>) {
  return (
    <ul className="plain cards" aria-label={label} aria-busy={!rows || outdated} data-outdated={outdated || undefined}>
      {!rows && [1, 2, 3, 4, 5].map((card) => <Skeleton key={card} component="li" height={height} />)}
      {rows?.map(children)}
    </ul>
  );
}
