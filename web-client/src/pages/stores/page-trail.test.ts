import { beforeEach, expect, test } from 'vitest';
import { PageTrail } from './page-trail';

beforeEach(() => window.sessionStorage.clear());
const trail = (list = 'all') => new PageTrail(window.sessionStorage, list);

test('position and previous page survive a reload', () => {
  trail().advance('', 'second');
  trail().advance('second', 'third');
  const reloaded = trail();
  expect(['', 'second', 'third'].map((token) => reloaded.index(token))).toEqual([0, 1, 2]);
  expect(['second', 'third'].map((token) => reloaded.previous(token))).toEqual(['', 'second']);
  trail().advance('', 'other');
  expect(trail().index('third')).toBeUndefined();
});

test('tokens of another list and of another tab are unknown', () => {
  trail().advance('', 'second');
  expect(trail('failed').index('second')).toBeUndefined();
  window.sessionStorage.setItem('storeplane.stores.pages', '{broken');
  expect(trail().index('second')).toBeUndefined();
});
