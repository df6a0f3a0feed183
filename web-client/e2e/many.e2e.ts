import { afterAll, beforeAll, expect, test } from 'vitest';
import { record, watchInteractions } from './lab/figures';
import { Lab } from './lab/lab';

let lab: Lab;
beforeAll(async () => {
  lab = await Lab.start();
  await lab.database.execute(thousand(lab.tenant));
});
afterAll(() => lab?.stop());

/** A thousand stores as they would be after some days, with their operations and their last events. */
const thousand = (tenant: string) => `
INSERT INTO stores SELECT gen_random_uuid(), 'shop-' || lpad(n::text, 4, '0'), '${tenant}', 'Shop number ' || n, 'woocommerce', 'small',
    'owner@example.com', 'KEEP', 'store-shop-' || n, 'store-shop-' || n, 'shop-' || n || '.test',
    CASE WHEN n % 50 = 1 THEN 'FAILED' ELSE 'READY' END, NULL,
    CASE WHEN n % 50 = 1 THEN '{"reason":"UNSCHEDULABLE","message":"No node takes it.","details":[]}'::jsonb END,
    '1', '11.0.1', true, false, gen_random_uuid(), 1, 0, now() - n * interval '10 min',
    CASE WHEN n % 50 <> 1 THEN now() - n * interval '10 min' + (10 + n % 17) * interval '1 s' END, now(), NULL
  FROM generate_series(1, 1000) n;
INSERT INTO operations SELECT s.operation, s.uid, s.store_id, s.tenant, 'CREATE', CASE s.state WHEN 'FAILED' THEN 'FAILED' ELSE 'SUCCEEDED' END,
    NULL, NULL, false, false, s.failure, 1, 0, 'import', NULL, 1, 1, NULL, NULL, s.created_at, s.created_at, s.created_at + interval '20 s'
  FROM stores s;
INSERT INTO events (store, sequence, store_id, tenant, at, kind, operation, step, message, details)
  SELECT s.uid, 1, s.store_id, s.tenant, s.created_at + interval '20 s', 'STATE_CHANGED', s.operation, '',
    'Store ' || s.store_id || ' is ' || lower(s.state), jsonb_build_object('state', s.state)
  FROM stores s;`;

test('a thousand stores are searched, filtered, sorted and paged through', async () => {
  const window = await lab.open('/stores');
  const { page } = window;
  const rows = page.locator('tbody tr[data-store]');
  const first = () => rows.first().getAttribute('data-store');
  await window.sees(page.getByTestId('total'), '1,000 stores');
  expect(await rows.count()).toBe(50);
  expect(await first()).toBe('shop-0001');

  await page.keyboard.press('/');
  await page.keyboard.type('number 77');
  await window.sees(page.getByTestId('total'), '11 stores');
  expect(await rows.count()).toBe(11);
  await page.getByLabel('Search stores').fill('');
  await window.sees(page.getByTestId('total'), '1,000 stores');

  await window.button('Failed').click();
  await window.sees(page.getByTestId('total'), '20 stores');
  await page.goBack();
  await window.sees(page.getByTestId('total'), '1,000 stores');

  await page.getByRole('button', { name: 'Store', exact: true }).click();
  await page.getByRole('button', { name: 'Store', exact: true }).click();
  await page.locator('tr[data-store=shop-1000]').waitFor();
  expect(await first()).toBe('shop-1000');

  await window.button('Next').click();
  await page.locator('tr[data-store=shop-0950]').waitFor();
  await window.sees(page.locator('nav[aria-label=Pages]'), '51 to 100 of 1,000');
  await page.reload();
  await page.locator('tr[data-store=shop-0950]').waitFor();
  await window.button('First').click();
  await page.locator('tr[data-store=shop-1000]').waitFor();

  await page.getByLabel('Stores on a page').selectOption('250');
  await page.locator('tr[data-store=shop-0751]').waitFor();
  expect(await rows.count()).toBe(250);
  await window.isAccessible();
  window.isSound();
  await window.close();
});

test('the table answers each input in a moment', async () => {
  const window = await lab.open('/stores');
  const { page } = window;
  await window.sees(page.getByTestId('total'), '1,000 stores');
  const interactions = await watchInteractions(page);
  await page.getByLabel('Stores on a page').selectOption('250');
  await page.locator('tr[data-store=shop-0250]').waitFor();
  await page.getByRole('button', { name: 'Store', exact: true }).click();
  await page.getByRole('button', { name: 'Store', exact: true }).click();
  await page.locator('tr[data-store=shop-1000]').waitFor();
  await page.getByRole('checkbox', { name: 'Choose shop-1000' }).check();
  await page.keyboard.press('/');
  await page.keyboard.type('number 77');
  await window.sees(page.getByTestId('total'), '11 stores');
  const took = (await interactions()).toSorted((a, b) => a - b);
  record({
    interactions: took.length,
    interactionMedianMs: took[took.length >> 1] ?? 0,
    interactionSlowestMs: took.at(-1) ?? 0,
  });
  expect(took.length).toBeGreaterThan(0);
  await window.close();
});

test('stores are deleted together, once that is typed', async () => {
  const window = await lab.open('/stores?q=number+99');
  const { page } = window;
  await window.sees(page.getByTestId('total'), '11 stores');
  await page.getByRole('checkbox', { name: 'Choose shop-0099' }).check();
  await page.getByRole('checkbox', { name: 'Choose shop-0990' }).check();
  await window.button('Delete 2').click();
  const dialog = page.getByRole('dialog');
  expect(await dialog.getByRole('button', { name: 'Delete', exact: true }).isDisabled()).toBe(true);
  await dialog.getByLabel(/Type/).fill('delete 2 stores');
  await dialog.getByRole('button', { name: 'Delete', exact: true }).click();
  await dialog.waitFor({ state: 'hidden' });
  await window.sees(page.getByTestId('total'), '9 stores', 60_000);
  expect(await page.locator('tr[data-store=shop-0099]').count()).toBe(0);
  window.isSound();
  await window.close();
});

test('the log names who asked for what, and is filtered by it', async () => {
  const window = await lab.open('/activity?action=DELETE_STORE');
  const { page } = window;
  const rows = page.locator('tbody tr');
  await window.sees(rows, 'shop-0099');
  expect(await rows.count()).toBe(2);
  await page.getByLabel('Store', { exact: true }).fill('shop-0990');
  await page.waitForURL(/target=shop-0990/);
  await window.sees(rows, 'shop-0990');
  await page.locator('tbody tr', { hasText: 'shop-0099' }).waitFor({ state: 'detached' });
  await page.getByLabel('To', { exact: true }).fill('2020-01-01');
  await window.sees(page.locator('main'), 'Nothing matches');
  window.isSound();
  await window.close();
});
