import { afterAll, beforeAll, expect, test } from 'vitest';
import { record, watchInteractions } from './support/figures';
import { seedStores } from './support/seed';
import { TestEnv } from './support/test-env';

let env: TestEnv;
beforeAll(async () => {
  env = await TestEnv.start();
  await env.database.execute(seedStores(env.tenant, STORES));
});
afterAll(() => env?.stop());

/** Stores of the last days; every fiftieth has failed. */
const STORES = `
SELECT 'shop-' || lpad(n::text, 4, '0') AS store_id, 'Shop number ' || n AS display_name, NULL::timestamptz AS deleted_at,
    CASE WHEN n % 50 = 1 THEN 'FAILED' ELSE 'READY' END AS state, now() - n * interval '10 min' AS created_at,
    CASE WHEN n % 50 = 1 THEN '{"reason":"UNSCHEDULABLE","message":"No node can schedule it.","details":[]}' END AS failure,
    CASE WHEN n % 50 <> 1 THEN now() - n * interval '10 min' + (10 + n % 17) * interval '1 s' END AS ready_at
  FROM generate_series(1, 1000) n`;

test('a thousand stores are searched, filtered, sorted and paged through', async () => {
  const window = await env.open('/stores');
  const { page } = window;
  const rows = page.locator('tbody tr[data-store]');
  const first = () => rows.first().getAttribute('data-store');
  await window.waitForText(page.getByTestId('total'), '1,000 stores');
  expect(await rows.count()).toBe(50);
  expect(await first()).toBe('shop-0001');

  await page.keyboard.press('/');
  await page.keyboard.type('number 77');
  await window.waitForText(page.getByTestId('total'), '11 stores');
  expect(await rows.count()).toBe(11);
  await page.getByLabel('Search stores').fill('');
  await window.waitForText(page.getByTestId('total'), '1,000 stores');

  await window.button('Failed').click();
  await window.waitForText(page.getByTestId('total'), '20 stores');
  await page.goBack();
  await window.waitForText(page.getByTestId('total'), '1,000 stores');

  await page.getByRole('button', { name: 'Store', exact: true }).click();
  await page.getByRole('button', { name: 'Store', exact: true }).click();
  await page.locator('tr[data-store=shop-1000]').waitFor();
  expect(await first()).toBe('shop-1000');

  await window.button('Next').click();
  await page.locator('tr[data-store=shop-0950]').waitFor();
  await page.reload();
  await page.locator('tr[data-store=shop-0950]').waitFor();
  await window.waitForText(page.locator('nav[aria-label=Pages]'), '51 to 100 of 1,000');
  await window.button('Previous').click();
  await page.locator('tr[data-store=shop-1000]').waitFor();

  await page.getByLabel('Stores per page').selectOption('250');
  await page.locator('tr[data-store=shop-0751]').waitFor();
  expect(await rows.count()).toBe(250);
  window.expectNoErrors();
});

test('the table responds to each input without delay', async () => {
  const window = await env.open('/stores');
  const { page } = window;
  await window.waitForText(page.getByTestId('total'), '1,000 stores');
  const interactions = await watchInteractions(page);
  await page.getByLabel('Stores per page').selectOption('250');
  await page.locator('tr[data-store=shop-0250]').waitFor();
  await page.getByRole('button', { name: 'Store', exact: true }).click();
  await page.getByRole('button', { name: 'Store', exact: true }).click();
  await page.locator('tr[data-store=shop-1000]').waitFor();
  await page.getByRole('checkbox', { name: 'Select shop-1000' }).check();
  await page.keyboard.press('/');
  await page.keyboard.type('number 77');
  await window.waitForText(page.getByTestId('total'), '11 stores');
  const durations = (await interactions()).toSorted((a, b) => a - b);
  record('many', {
    interactions: durations.length,
    interactionMedianMs: durations[durations.length >> 1] ?? 0,
    interactionSlowestMs: durations.at(-1) ?? 0,
  });
  expect(durations.length).toBeGreaterThan(0);
});

test('a selection survives a search, covers all that match, and is deleted with progress', async () => {
  const window = await env.open('/stores?show=failed');
  const { page } = window;
  await window.waitForText(page.getByTestId('total'), '20 stores');
  await page.getByRole('checkbox', { name: 'Select shop-0001' }).check();
  await window.expectAccessible();
  await page.getByLabel('Search stores').fill('number 99');
  await window.waitForText(page.locator('main'), 'No stores match');
  await window.waitForText(page.locator('.selection'), '1 selected, 1 not in this view');
  await window.button('Clear').click();
  await page.locator('.selection').waitFor({ state: 'detached' });

  await page.goto(`${env.server.url}/stores`);
  await page.locator('tr[data-store]').first().waitFor();
  await page.getByRole('checkbox', { name: 'Select all on this page' }).check();
  await window.button('Select all 1000 matching').click();
  await window.waitForText(page.locator('.selection'), '1,000 selected, 950 not in this view');
  await window.screenshot('stores-selected-light');
  await window.button('Clear').click();

  await page.getByLabel('Search stores').fill('number 99');
  await window.waitForText(page.getByTestId('total'), '11 stores');
  await page.getByRole('checkbox', { name: 'Select shop-0099' }).check();
  await page.getByRole('checkbox', { name: 'Select shop-0990' }).check();
  await window.button('Delete 2').click();
  const confirm = window.dialog().getByRole('button', { name: 'Delete', exact: true });
  expect(await confirm.isDisabled()).toBe(true);
  await window.dialog().getByLabel(/Type/).fill('delete 2 stores');
  await confirm.click();
  await window.waitForText(window.dialog(), '2 deleted');
  await window.expectAccessible();
  await window.dialog().getByRole('button', { name: 'Close', exact: true }).last().click();
  await window.dialog().waitFor({ state: 'hidden' });
  await window.waitForText(page.getByTestId('total'), '9 stores', 60_000);
  expect(await page.locator('tr[data-store=shop-0099]').count()).toBe(0);

  // The audit log names both deletions, and can be filtered by store and day.
  await page.goto(`${env.server.url}/activity?action=DELETE_STORE`);
  const rows = page.locator('tbody tr');
  await window.waitForText(rows, 'shop-0099');
  expect(await rows.count()).toBe(2);
  await page.getByLabel('Store', { exact: true }).fill('shop-0990');
  await page.waitForURL(/target=shop-0990/);
  await window.waitForText(rows, 'shop-0990');
  await page.locator('tbody tr', { hasText: 'shop-0099' }).waitFor({ state: 'detached' });
  await page.getByLabel('To', { exact: true }).fill('2020-01-01');
  await window.waitForText(page.locator('main'), 'No matching entries');
  window.expectNoErrors();
});
