import { expect, test } from 'vitest';
import { backupsFilter, backupsSearch } from './search';

test('the address is read leniently', () => {
  expect(backupsSearch({ store: 7, state: 'COMPLETE' })).toEqual({ store: '7', state: 'COMPLETE' });
  expect(backupsSearch({ store: '', state: 'LOST' })).toEqual({ store: undefined, state: undefined });
});

test('the filter quotes what was typed', () => {
  expect(backupsFilter({})).toBe('');
  expect(backupsFilter({ store: ' te"a ', state: 'FAILED' })).toBe('"te\\"a" AND state = FAILED');
});
