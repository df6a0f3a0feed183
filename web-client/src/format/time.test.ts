import { expect, test } from 'vitest';
import { ago, coarseSpan, moment, span, timeOfDay, utc, wholeSpan } from './time';

test('durations have at most two units', () => {
  const spans = [0, 0.04, 0.4, 3.1234, 9.94, 9.96, 12.034, 59.6, 80, 3600, 7500, 90_000].map(span);
  expect(spans).toEqual([
    '0.1 s',
    '0.1 s',
    '0.4 s',
    '3.1 s',
    '9.9 s',
    '10 s',
    '12 s',
    '1 min',
    '1 min 20 s',
    '1 h',
    '2 h 5 min',
    '1 d 1 h',
  ]);
  expect([0, 0.9, 61].map(wholeSpan)).toEqual(['0 s', '1 s', '1 min 1 s']);
  expect([0, 61, 7300, 200_000].map(coarseSpan)).toEqual(['0 s', '1 min', '2 h', '2 d']);
});

test('an age has one unit, and is a date beyond a month', () => {
  const now = Date.UTC(2026, 10, 21, 12);
  const before = (seconds: number) => ago(new Date(now - seconds * 1000), now);
  expect([-5, 0, 2, 12, 100, 7300, 200_000].map(before)).toEqual([
    'just now',
    'just now',
    'just now',
    '12 s ago',
    '1 min ago',
    '2 h ago',
    '2 d ago',
  ]);
  expect(before(40 * 86_400)).toContain('2026');
});

test('a moment of another day names the day with its year; a time of day has seconds', () => {
  const now = new Date(2026, 10, 21, 12).getTime();
  expect(moment(new Date(2026, 10, 21, 9, 5), now)).not.toContain('2026');
  expect(moment(new Date(2025, 10, 21, 9, 5), now)).toContain('2025');
  expect(timeOfDay(new Date(2025, 10, 21, 9, 5, 7))).toMatch(/05:07/);
});

test('exact times are in UTC, to the millisecond', () => {
  expect(utc(new Date(Date.UTC(2026, 10, 21, 10, 51, 21, 345)))).toBe('2026-11-21 10:51:21.345 UTC');
});
