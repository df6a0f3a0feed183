import { afterAll, beforeAll, expect, test } from 'vitest';
import { StoreState } from '@/gen/storeplane/v1/store_pb';
import { TestEnv, uniqueId } from './support/test-env';
import type { Window } from './support/window';

let env: TestEnv;
beforeAll(async () => {
  env = await TestEnv.start();
});
afterAll(() => env?.stop());

/** Fills in some fields of the form. */
async function fill(window: Window, form: { name?: string; id?: string; email?: string; plan?: string }) {
  if (form.name !== undefined) await window.page.getByLabel('Name', { exact: true }).fill(form.name);
  if (form.id !== undefined) await window.page.getByLabel('ID', { exact: true }).fill(form.id);
  if (form.email !== undefined) await window.page.getByLabel('Admin email').fill(form.email);
  if (form.plan) await window.page.getByRole('radio', { name: form.plan }).check();
}

function descending(length: number): number[] {
  return Array.from({ length }, (_, index) => length - index);
}

test('a store is created, watched by two windows until it is ready, shows its credentials, and is deleted', async () => {
  const id = uniqueId('live');
  const viewer = await env.open('/stores', { token: env.token('viewer') });
  const window = await env.open('/create');
  await window.page.evaluate(() => Object.assign(globalThis, { mark: 'same page' }));

  // Invalid input is reported at its field by the server, and nothing is created.
  await fill(window, { name: 'Kaffee & Kuchen', id: 'Tea--Co', email: 'nobody' });
  await window.page.keyboard.press('Tab');
  await window.waitForText(window.page.locator('form'), /lower-?case letters/);
  await window.waitForText(window.page.locator('form'), /Must be an e-?mail address/);
  await window.button('Create store').click();
  await window.page.waitForFunction(() => document.activeElement?.getAttribute('name') === 'storeId');
  await window.expectAccessible();
  expect((await env.stores.listStores({})).stores).toEqual([]);

  await fill(window, { id, email: 'owner@example.com' });
  await window.waitForText(window.page.locator('section'), `store-${id}--${env.tenant}.shops.test`);
  await window.button('Create store').click();
  await window.page.waitForURL(`**/stores/${id}`);
  await window.page.locator('.steps li[data-status=active]').first().waitFor();
  await viewer.page.getByRole('link', { name: 'Kaffee & Kuchen', exact: true }).click();
  await window.waitForState('READY');
  const steps = await window.page
    .locator('.steps li')
    .evaluateAll((items) =>
      items.map((item) => `${item.getAttribute('data-step')} ${item.getAttribute('data-status')}`),
    );
  expect(steps).toEqual(['NAMESPACE done', 'SECRETS done', 'INSTALL done', 'ROLLOUT done', 'VERIFY skipped']);
  for (const duration of await window.page.locator('.steps [data-status=done] .time').allTextContents())
    expect(duration).toMatch(/^[\d.]+ s$/);
  await window.waitForText(window.page.getByTestId('state-line'), /^Ready since \d\d:\d\d \(\d+ s\)/);

  await window.waitForText(window.page.locator('section', { hasText: 'Resources' }), /(\d+) of \1 ready/);
  expect(await window.page.locator('.resources li[data-child][data-resource^="Pod/"][data-ready=true]').count()).toBe(
    2,
  );
  const store = await env.waitForState(id, StoreState.READY);
  const messages: string[][] = [];
  for (const each of [window, viewer]) {
    await each.waitForEvent(store.lastSequence);
    expect(await each.sequences()).toEqual(descending(Number(store.lastSequence)));
    messages.push(await each.page.locator('.timeline li .wrap').allTextContents());
  }
  expect(messages[0]).toEqual(messages[1]);
  for (const name of ['Delete', 'Reapply chart', 'Show admin credentials', 'Show logs']) {
    expect(await viewer.button(name).count(), name).toBe(0);
    expect(await window.button(name).count(), name).toBe(1);
  }

  await window.button('Show admin credentials').click();
  await window.page.getByText('Password', { exact: true }).waitFor();
  const { password } = await env.stores.getStoreCredentials({ storeId: id });
  expect(await window.page.getByTestId('access').textContent()).toContain(password);
  await window.page.getByRole('button', { name: /^Hide/ }).click();
  await window.page.getByText('Password', { exact: true }).waitFor({ state: 'detached' });
  expect(await window.page.content()).not.toContain(password);

  await window.button('Delete').click();
  await window.dialog().getByLabel(/Type/).waitFor();
  await window.expectAccessible();
  await window.page.keyboard.press('Escape');
  await window.dialog().waitFor({ state: 'hidden' });
  await window.deleteStore(id);
  for (const each of [window, viewer]) await each.waitForState('DELETED');
  await window.waitForText(window.page.getByTestId('state-line'), /^Deleted \d\d:\d\d by e2e admin/);
  expect(await window.page.evaluate(() => Reflect.get(globalThis, 'mark'))).toBe('same page');
  expect(await window.button('Delete').count()).toBe(0);
  // The focused button is gone: the focus is not lost.
  await window.page.waitForFunction(() => document.activeElement?.tagName === 'H1');
  await viewer.page.keyboard.press('n');
  expect(viewer.page.url()).toContain(`/stores/${id}`);
  await viewer.page.goto(`${env.server.url}/create`);
  await viewer.waitForText(viewer.page.locator('main'), "You don't have permission to create stores");
  for (const each of [window, viewer]) each.expectNoErrors();
});

test('a store that cannot be scheduled shows why it waits and fails, and can be retried and cancelled', async () => {
  const id = uniqueId('stuck');
  await env.create(id, 'unschedulable');
  const window = await env.open(`/stores/${id}`);
  await window.waitForText(window.page.locator('.steps li[data-status=active]'), /node/);
  expect(await window.page.getByTestId('failure').count()).toBe(0);
  await window.waitForState('FAILED');
  const failure = window.page.getByTestId('failure');
  const store = await env.waitForState(id, StoreState.FAILED);
  expect(store.reason).toBe('UNSCHEDULABLE');
  const text = await failure.textContent();
  for (const fact of [store.message, store.remedy, store.details[0] ?? '?']) expect(text).toContain(fact);
  await window.page.locator('.steps li[data-step=ROLLOUT][data-status=failed]').waitFor();
  await window.waitForText(window.page.getByTestId('operations'), store.operation);
  await window.expectAccessible();
  await window.screenshot('store-failed-light');
  await window.page.emulateMedia({ colorScheme: 'dark' });
  await window.screenshot('store-failed-dark');
  await window.button('Retry').click();
  await window.waitForState('PROVISIONING');
  await window.button('Cancel').click();
  await window.waitForText(window.dialog(), 'Everything created so far is removed');
  await window.button('Cancel creation').click();
  await window.waitForState('FAILED');
  await window.waitForText(window.page.locator('h1 + [role=status]'), 'Cancelled');
  await window.waitForText(
    window.page.getByTestId('state-line'),
    /^Cancelled \d\d:\d\d by e2e admin; everything was removed/,
  );
  window.expectNoErrors();
  await window.close();
  await env.remove(id);
});
