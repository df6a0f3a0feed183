import { afterAll, beforeAll, expect, test } from 'vitest';
import { StoreState } from '@/gen/storeplane/v1/store_pb';
import { TestEnv, uniqueId } from './support/test-env';

let env: TestEnv;
beforeAll(async () => {
  env = await TestEnv.start();
});
afterAll(() => env?.stop());

test('during an outage pages open with dated data, a stopped deletion is never sent, and afterwards no event is missing', async () => {
  const id = uniqueId('crash');
  const window = await env.open('/stores');
  const { page } = window;
  await env.create(id);
  await page.locator(`tr[data-store=${id}]`).waitFor();
  await page.getByRole('link', { name: `Shop ${id}`, exact: true }).click();
  await page.evaluate(() => Object.assign(globalThis, { mark: 'same page' }));
  await page.locator('.timeline li[data-type=STEP_STARTED]').first().waitFor();
  await env.server.kill();
  await page.getByText(/Connection lost. Showing data from \d\d:\d\d, reconnecting/).waitFor();

  // The deletion is confirmed, and stopped while the server is away.
  await window.deleteStore(id);
  await window.button('Stop').click();
  await window.waitForText(window.dialog(), 'Nothing more is sent');
  await page.keyboard.press('Escape');
  await window.dialog().waitFor({ state: 'hidden' });

  // The code of backups is loaded with the first page.
  await page.getByRole('link', { name: 'Backups', exact: true }).click();
  await page.getByRole('heading', { level: 1, name: 'Backups' }).waitFor();
  // The list was read before; activity was never opened.
  await page.getByRole('link', { name: 'Stores', exact: true }).first().click();
  await page.locator(`tr[data-store=${id}]`).waitFor();
  await page.getByRole('link', { name: 'Activity', exact: true }).click();
  await page.getByRole('heading', { level: 1, name: 'Activity' }).waitFor();
  await window.waitForText(page.getByRole('alert'), "The server can't be reached");
  await page.getByRole('link', { name: 'Stores', exact: true }).click();
  await page.locator(`tr[data-store=${id}]`).waitFor();
  // A filter that was never applied has no data to show.
  await window.button('Failed').click();
  await window.waitForText(page.getByRole('alert'), "The server can't be reached");
  expect(await page.locator('tr[data-store]').count()).toBe(0);
  await window.button('All').click();
  await page.locator(`tr[data-store=${id}]`).waitFor();
  await window.expectAccessible();
  await window.screenshot('outage-light');

  await env.server.start();
  await page.getByText('Connection lost').waitFor({ state: 'detached' });
  await page.getByRole('link', { name: `Shop ${id}`, exact: true }).click();
  await window.waitForState('READY');
  const { lastSequence } = await env.waitForState(id, StoreState.READY);
  await window.waitForEvent(lastSequence);
  expect(await window.sequences()).toEqual(
    Array.from({ length: Number(lastSequence) }, (_, index) => Number(lastSequence) - index),
  );
  expect(await page.evaluate(() => Reflect.get(globalThis, 'mark'))).toBe('same page');

  // The same without a network: the browser retries at once when it is back.
  await window.setOffline(true);
  await window.deleteStore(id);
  await window.button('Stop').click();
  await window.waitForText(window.dialog(), 'Nothing more is sent');
  await page.keyboard.press('Escape');
  await window.setOffline(false);
  await page.waitForTimeout(3000);
  expect((await env.stores.getStore({ storeId: id })).state).toBe(StoreState.READY);
  window.expectNoErrors();
  await window.close();
  await env.remove(id);
});
