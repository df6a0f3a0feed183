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

const STORES = `
SELECT 'shop-' || lpad(n::text, 4, '0') AS store_id, 'Shop number ' || n AS display_name, NULL::timestamptz AS deleted_at,
    'READY' AS state, NULL AS failure, now() - n * interval '10 min' AS created_at, now() - n * interval '10 min' AS ready_at
  FROM generate_series(1, 1200) n`;

/** Failures as the server records them, since nothing runs in the stores. */
const FAILURES = `
UPDATE rollout_stores SET state = 'FAILED', reason = 'IMAGE_PULL_FAILED', message = 'The image does not exist.', ended_at = now()
  WHERE store_id IN ('shop-0700', 'shop-0800')`;

/** `HH:MM` in UTC, some hours from now. */
function inHours(hours: number): string {
  return new Date(Date.now() + hours * 3_600_000).toISOString().slice(11, 16);
}

test('a rollout over many stores is previewed and started, shows its stores by wave, and is paused, resumed and aborted', async () => {
  const window = await env.open('/rollouts');
  const { page } = window;
  await window.button('New rollout').click();
  const dialog = window.dialog();
  // What is wrong is said at each field.
  await dialog.getByLabel('Waves').fill('half');
  await dialog.getByLabel('Stores at the same time').fill('101');
  await window.button('Preview rollout').click();
  for (const text of ['must not be empty', 'must each have', 'must be from 1 to 100']) {
    await window.waitForText(dialog.locator('[class*=InputWrapper-error]'), text);
  }
  await window.expectAccessible();
  await dialog.getByLabel('Name').fill('Larger plan');
  await dialog.getByLabel('Stores', { exact: true }).fill('plan = small');
  await dialog.getByLabel('Waves').fill('1, 10%');
  await dialog.getByLabel('Stores at the same time').fill('4');
  await dialog.getByLabel('Change').selectOption('plan');
  await dialog.getByLabel('To plan').selectOption('large');
  // Nothing is started meanwhile.
  await dialog.getByLabel('Start from (UTC)').fill(inHours(2));
  await dialog.getByLabel('Start until (UTC)').fill(inHours(3));
  await window.waitForText(page.getByTestId('matching'), '1,200 stores match');
  await window.button('Preview rollout').click();
  await window.waitForText(page.getByTestId('rollout-preview').getByRole('listitem'), /Wave 3: 1,080 stores/);
  await window.expectAccessible();
  await window.screenshot('rollout-preview-light');
  await window.button('Change 1,200 stores').click();
  await page.waitForURL('**/rollouts/*-*');
  await window.waitForText(page.getByTestId('counts'), '1,200 pending');
  await window.waitForText(page.getByTestId('cause'), 'Outside window');

  await window.button('Pause').click();
  await dialog.getByRole('button', { name: 'Pause rollout' }).click();
  await page.locator('h1 + [role=status] [data-rollout-state=PAUSED]').waitFor();
  await env.database.execute(FAILURES);
  await page.reload();
  const failed = page.locator('[data-wave="3"] [data-group]').first();
  await window.waitForText(failed, 'The image does not exist.');
  expect(await failed.getAttribute('data-group')).toBe('FAILED');
  const interactions = await watchInteractions(page);
  const last = page.locator('[data-wave="3"]');
  await last.getByRole('button', { name: /^Pending/ }).click();
  await page.getByRole('button', { name: 'Show 50 more of 1,028' }).click();
  expect(await last.locator('[data-rollout-store]').count()).toBe(102);
  record('rollouts', { rolloutInteractionSlowestMs: Math.max(...(await interactions())) });

  for (const [width, colorScheme] of [
    [1280, 'light'],
    [1280, 'dark'],
    [360, 'light'],
  ] as const) {
    await page.setViewportSize({ width, height: 860 });
    await page.emulateMedia({ colorScheme });
    await window.expectAccessible();
    await window.expectNoOverflow();
    await window.screenshot(`rollout-${colorScheme}${width < 600 ? '-narrow' : ''}`);
  }
  await page.setViewportSize({ width: 1280, height: 860 });

  const viewer = await env.open(new URL(page.url()).pathname, { token: env.token('viewer') });
  await viewer.page.locator('[data-rollout-state=PAUSED]').waitFor();
  expect(await viewer.button('Resume').count()).toBe(0);
  await window.button('Resume').click();
  await window.waitForText(dialog, 'The 2 stores that have failed no longer count towards the failure budget');
  await dialog.getByRole('button', { name: 'Resume rollout' }).click();
  await viewer.page.locator('[data-rollout-state=RUNNING]').waitFor();

  await window.button('Abort').click();
  await dialog.getByLabel(/Type/).fill('abort rollout');
  await window.expectAccessible();
  await dialog.getByRole('button', { name: 'Abort rollout' }).click();
  await viewer.page.locator('[data-rollout-state=ABORTED]').waitFor();
  await page.getByRole('link', { name: 'Rollouts', exact: true }).last().click();
  const row = page.locator('tr[data-rollout]');
  await window.waitForText(row, /Larger plan.*Aborted.*Wave 1 of 3/s);
  await window.expectAccessible();
  await window.expectNoOverflow();
  await window.screenshot('rollouts-light');
  window.expectNoErrors();
  viewer.expectNoErrors();
});
