import { expect, test } from 'vitest';
import { makeEvent } from '../../test/fixtures';
import { hasGap, lastContiguous, merge } from './timeline';

const events = (...sequences: number[]) => sequences.map((n) => makeEvent(n, { type: 'WAITING' }));
const sequences = (list: { sequence: bigint }[]) => list.map(({ sequence }) => Number(sequence));

test('duplicate and late events appear once and in order', () => {
  expect(sequences(merge(events(1, 2), events(3, 4)))).toEqual([1, 2, 3, 4]);
  expect(sequences(merge(events(1, 2, 5), events(3, 4, 5)))).toEqual([1, 2, 3, 4, 5]);
  expect(sequences(merge([], events(7, 8)))).toEqual([7, 8]);
});

test('a gap is detected, with the sequence before it', () => {
  expect(hasGap([])).toBe(false);
  expect(hasGap(events(7, 8, 9))).toBe(false);
  expect(hasGap(events(1, 2, 5))).toBe(true);
  expect(lastContiguous(events(1, 2, 5, 6))).toBe(2n);
  expect(lastContiguous(events(4, 5))).toBe(5n);
});
