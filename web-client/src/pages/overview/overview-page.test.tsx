import { screen, within } from '@testing-library/react';
import { expect, test } from 'vitest';
import { StoreState } from '@/gen/storeplane/v1/store_pb';
import { RENDERED, renderApp } from '../../../test/render-app';

test('failed stores and failed operations are distinguished', async () => {
  renderApp({
    overview: {
      states: [{ state: StoreState.FAILED, count: 4n }],
      periods: [{ failed: 1n }, { failed: 2n }],
    },
  });
  const tile = await screen.findByTestId('count-failed', undefined, RENDERED);
  expect(tile.textContent).toBe('Failed4stores now');
  const totals = within(screen.getByRole('region', { name: 'Last 24 hours' }));
  const operations = totals.getByText('Failed operations').parentElement;
  expect(operations?.textContent).toBe('Failed operations3including those retried since');
  expect(totals.queryByText('Failures')).toBeNull();
});
