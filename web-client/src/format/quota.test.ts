import { expect, test } from 'vitest';
import { quotaAmount, quotaTitle } from './quota';

test('amounts have the unit of their quota', () => {
  expect(quotaAmount('stores', 1234n)).toBe((1234).toLocaleString());
  expect(quotaAmount('cpu', 1500n)).toBe((1.5).toLocaleString());
  expect(quotaAmount('memory', 0n)).toBe('0 B');
  expect(quotaAmount('memory', 1152n * 1024n * 1024n)).toBe(`${(1.1).toLocaleString()} GiB`);
  expect(quotaAmount('storage', 5n * 1024n ** 5n)).toBe(`${(5120).toLocaleString()} TiB`);
});

test('titles say whose creations are counted', () => {
  expect(quotaTitle('cpu')).toBe('CPU');
  expect(quotaTitle('stores')).toBe('Stores');
  expect(quotaTitle('creations')).toBe('Your recent creations');
});
