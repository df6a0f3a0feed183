import { expect, test } from 'vitest';
import { EMPTY, requestOf, scope } from './token-draft';

test('stores are sent for the roles that can be limited, and not for others', () => {
  const draft = { ...EMPTY, name: 'ci', role: 'operator', storeIds: ' tea, bike\n', storeIdPrefix: ' shop- ' };
  expect(requestOf(draft)).toMatchObject({ storeIds: ['tea', 'bike'], storeIdPrefix: 'shop-' });
  expect(requestOf({ ...draft, role: 'admin' })).not.toHaveProperty('storeIds');
  expect(requestOf({ ...draft, role: 'admin' })).not.toHaveProperty('storeIdPrefix');
});

test('a scope names the prefix as a pattern', () => {
  expect(scope({ storeIds: ['tea'], storeIdPrefix: 'shop-' })).toEqual(['shop-*', 'tea']);
  expect(scope({ storeIds: [], storeIdPrefix: '' })).toEqual([]);
});
