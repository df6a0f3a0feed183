import { Code, ConnectError } from '@connectrpc/connect';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestEnv, uniqueId } from './support/test-env';

let env: TestEnv;
beforeAll(async () => {
  env = await TestEnv.start();
});
afterAll(() => env?.stop());

/** For what takes seconds, on a busy machine. */
const BUSY_MS = 60_000;

test('a token that is created in the dashboard works, is kept nowhere, and is refused once it is revoked there', async () => {
  const window = await env.open('/tokens');
  const { page } = window;
  const shownSecret = async () => {
    await window.waitForText(window.dialog(), 'it is shown only once');
    const secret = await window.dialog().locator('code').textContent();
    expect(secret).toMatch(/^spt_/);
    return secret ?? '';
  };
  const close = async () => {
    await window.button('I have saved it').click();
    await window.dialog().waitFor({ state: 'hidden' });
  };
  await window.button('New token').click();
  await window.dialog().getByLabel('Name').fill('reporting');
  await window.dialog().getByRole('button', { name: 'Create token' }).click();
  const secret = await shownSecret();
  expect(await isInMemory(page, secret)).toBe(true);
  await close();
  await expect.poll(() => isInMemory(page, secret), { timeout: BUSY_MS }).toBe(false);
  const stored = await page.evaluate(() =>
    JSON.stringify([{ ...sessionStorage }, { ...localStorage }, document.cookie, document.location.href]),
  );
  expect(stored).not.toContain(secret);
  expect(env.server.log()).not.toContain(secret);
  await env.client(secret).listStores({});

  // Both secrets work until the overlap ends.
  await page.getByRole('button', { name: 'Rotate reporting' }).click();
  await window.dialog().getByRole('button', { name: 'Rotate token' }).click();
  const secrets = [secret, await shownSecret()];
  await window.expectAccessible();
  await close();
  await window.waitForText(page.locator('tbody tr', { hasText: 'reporting' }), 'Old secret ends in');
  for (const each of secrets) await env.client(each).listStores({});

  await page.getByRole('button', { name: 'Revoke reporting' }).click();
  await window.dialog().getByLabel('Type reporting to confirm').fill('reporting');
  await window.expectAccessible();
  await window.dialog().getByRole('button', { name: 'Revoke token' }).click();
  await page.getByRole('button', { name: 'Revoke reporting' }).waitFor({ state: 'detached' });
  for (const each of secrets) {
    await expect.poll(() => codeOf(env.client(each).listStores({})), { timeout: BUSY_MS }).toBe(Code.Unauthenticated);
  }
  await page.getByRole('switch', { name: 'Show expired and revoked' }).click();
  await window.waitForText(page.locator('tbody tr', { hasText: 'reporting' }), /Revoked.* by e2e admin/);
  window.expectNoErrors();
});

async function codeOf(call: Promise<unknown>): Promise<Code | undefined> {
  try {
    await call;
    return undefined;
  } catch (error) {
    return ConnectError.from(error).code;
  }
}

/** Whether the page's scripts can still reach a text. */
async function isInMemory(page: Page, text: string): Promise<boolean> {
  const cdp = await page.context().newCDPSession(page);
  const chunks: string[] = [];
  cdp.on('HeapProfiler.addHeapSnapshotChunk', ({ chunk }) => chunks.push(chunk));
  await cdp.send('HeapProfiler.collectGarbage');
  await cdp.send('HeapProfiler.takeHeapSnapshot');
  await cdp.detach();
  return chunks.join('').includes(text);
}

test('a session that is revoked in the dashboard ends in its browser', async () => {
  const other = await env.open('/stores', { token: env.token('viewer', 'visitor') });
  await other.page.getByRole('heading', { level: 1, name: 'Stores' }).waitFor();
  const window = await env.open('/tokens?view=sessions');
  const button = window.page.getByRole('button', { name: 'Revoke session of visitor' });
  await button.waitFor();
  await window.expectAccessible();
  await window.screenshot('sessions-light');
  await button.click();
  await window.expectAccessible();
  await window.dialog().getByRole('button', { name: 'Revoke session' }).click();
  await button.waitFor({ state: 'detached' });
  await other.page.getByRole('dialog', { name: 'Sign in again' }).waitFor({ timeout: BUSY_MS });
  window.expectNoErrors();
});

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
