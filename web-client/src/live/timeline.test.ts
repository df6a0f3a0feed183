import { expect, test } from 'vitest';
import { makeEvent } from '../../test/make';
import { hasHole, merge, unbroken } from './timeline';

const events = (...sequences: number[]) => sequences.map((n) => makeEvent(n, { type: 'WAITING' }));
const sequences = (list: { sequence: bigint }[]) => list.map(({ sequence }) => Number(sequence));

test('events that come twice or late are there once and in order', () => {
  expect(sequences(merge(events(1, 2), events(3, 4)))).toEqual([1, 2, 3, 4]);
  expect(sequences(merge(events(1, 2, 5), events(3, 4, 5)))).toEqual([1, 2, 3, 4, 5]);
  expect(sequences(merge([], events(7, 8)))).toEqual([7, 8]);
});

test('a hole is seen, and where it begins', () => {
  expect(hasHole([])).toBe(false);
  expect(hasHole(events(7, 8, 9))).toBe(false);
  expect(hasHole(events(1, 2, 5))).toBe(true);
  expect(unbroken(events(1, 2, 5, 6))).toBe(2n);
  expect(unbroken(events(4, 5))).toBe(5n);
});
