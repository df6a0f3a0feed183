import { expect, test } from 'vitest';
import { StoreState } from '@/gen/storeplane/v1/store_pb';
import { makeStore } from '../../../test/fixtures';
import { resolveSelection } from './selection';

const store = (uid: string, state = StoreState.FAILED) => makeStore({ uid, storeId: uid, state });

test('a selection counts what the page does not show, takes new states from the page, and drops deleted stores', () => {
  const selection = new Map([store('a'), store('b'), store('c')].map((each) => [each.uid, each]));
  const { selected, hidden } = resolveSelection(selection, [
    store('a', StoreState.READY),
    store('b', StoreState.DELETED),
    store('d'),
  ]);
  expect(selected.map(({ uid, state }) => [uid, state])).toEqual([
    ['a', StoreState.READY],
    ['c', StoreState.FAILED],
  ]);
  expect(hidden).toBe(1);
});
