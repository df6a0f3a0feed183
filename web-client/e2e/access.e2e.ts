import { Code, ConnectError } from '@connectrpc/connect';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestEnv, uniqueId } from './support/test-env';

let env: TestEnv;
beforeAll(async () => {
  env = await TestEnv.start();
});
afterAll(() => env?.stop());

/** A revoked token is refused within 5 s; more on a busy machine. */
const REVOKED_MS = 60_000;

test('a token that is created in the dashboard works, is kept nowhere, and is refused once it is revoked there', async () => {
  const window = await env.open('/tokens');
  const { page } = window;
  await window.button('New token').click();
  await window.dialog().getByLabel('Name').fill('reporting');
  await window.expectAccessible();
  await window.dialog().getByRole('button', { name: 'Create token' }).click();
  await window.waitForText(window.dialog(), 'it is shown only once');
  await window.expectAccessible();
  const secret = (await window.dialog().locator('code').textContent()) ?? '';
  expect(secret).toMatch(/^spt_/);
  expect(await heap(page)).toContain(secret);
  await window.button('I have saved it').click();
  await window.dialog().waitFor({ state: 'hidden' });
  await expect.poll(() => heap(page), { timeout: REVOKED_MS }).not.toContain(secret);
  const stored = await page.evaluate(() =>
    JSON.stringify([{ ...sessionStorage }, { ...localStorage }, document.cookie, document.location.href]),
  );
  expect(stored).not.toContain(secret);
  expect(env.server.log()).not.toContain(secret);

  const { listStores } = env.client(secret);
  await listStores({});
  await page.getByRole('button', { name: 'Revoke reporting' }).click();
  await window.dialog().getByLabel('Type reporting to confirm').fill('reporting');
  await window.dialog().getByRole('button', { name: 'Revoke token' }).click();
  await page.getByRole('button', { name: 'Revoke reporting' }).waitFor({ state: 'detached' });
  const code = () =>
    listStores({}).then(
      () => 0,
      (error: unknown) => ConnectError.from(error).code,
    );
  await expect.poll(code, { timeout: REVOKED_MS }).toBe(Code.Unauthenticated);
  await page.getByRole('switch', { name: 'Show expired and revoked' }).check();
  await window.waitForText(page.locator('tbody tr', { hasText: 'reporting' }), /Revoked.* by e2e admin/);
  window.expectNoErrors();
});

/** All strings that the page's scripts can still reach. */
async function heap(page: Page): Promise<string> {
  const cdp = await page.context().newCDPSession(page);
  const chunks: string[] = [];
  cdp.on('HeapProfiler.addHeapSnapshotChunk', ({ chunk }) => chunks.push(chunk));
  await cdp.send('HeapProfiler.collectGarbage');
  await cdp.send('HeapProfiler.takeHeapSnapshot');
  await cdp.detach();
  return chunks.join('');
}

test('a tenant is created and deleted in the dashboard', async () => {
  const id = uniqueId('t').slice(0, 15);
  const window = await env.open('/tenants', { token: env.token('platform_admin') });
  const { page } = window;
  await window.button('New tenant').click();
  await window.dialog().getByLabel('ID').fill(id);
  await window.dialog().getByLabel('Name').fill('Acme & Co');
  await window.dialog().getByRole('button', { name: 'Create tenant' }).click();
  await page.getByRole('button', { name: `Delete ${id}` }).click();
  await window.expectAccessible();
  await window.dialog().getByLabel(/Type/).fill(id);
  await window.dialog().getByRole('button', { name: 'Delete tenant' }).click();
  await page.getByRole('button', { name: `Delete ${id}` }).waitFor({ state: 'detached' });
  // Its ID is not given away again.
  await window.button('New tenant').click();
  await window.dialog().getByLabel('ID').fill(id);
  await window.dialog().getByRole('button', { name: 'Create tenant' }).click();
  await window.waitForText(window.dialog().getByRole('alert'), 'TENANT_DELETED');
  window.expectNoErrors();
});
