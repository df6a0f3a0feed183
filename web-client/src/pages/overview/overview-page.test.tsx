import { screen, waitFor, within } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { expect, test, vi } from 'vitest';
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
  expect(screen.queryByTestId('count-overdue')).toBeNull();
});

test('the number of stores that have drifted leads to these stores', async () => {
  const listStores = vi.fn((_: { filter: string }) => ({}));
  renderApp({
    overview: { states: [{ state: StoreState.READY, count: 7n }], driftedCount: 2n },
    stores: { listStores },
  });
  const tile = await screen.findByTestId('count-drifted', undefined, RENDERED);
  expect(tile.textContent).toBe('Configuration drifted2stores now');
  await userEvent.click(tile);
  await screen.findByRole('button', { name: 'Configuration drifted', pressed: true }, RENDERED);
  await waitFor(() => expect(listStores.mock.calls.map(([{ filter }]) => filter)).toContain('drifted = true'));
});

test('the number of stores without a recent backup leads to these stores', async () => {
  const listStores = vi.fn((_: { filter: string }) => ({}));
  renderApp({
    overview: { states: [{ state: StoreState.READY, count: 7n }], backupOverdueCount: 3n },
    stores: { listStores },
  });
  const tile = await screen.findByTestId('count-overdue', undefined, RENDERED);
  expect(tile.textContent).toBe('Without recent backup3stores now');
  await userEvent.click(tile);
  const toggle = await screen.findByRole('button', { name: 'Without recent backup' }, RENDERED);
  expect(toggle.getAttribute('aria-pressed')).toBe('true');
  expect(window.location.search).toBe('?show=overdue');
  await waitFor(() => expect(listStores.mock.calls.map(([{ filter }]) => filter)).toContain('backup_overdue = true'));
});
