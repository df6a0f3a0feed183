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
  const pods = window.page.locator('.resources li[data-child][data-resource^="Pod/"][data-ready=true]');
  await pods.nth(1).waitFor();
  expect(await pods.count()).toBe(2);
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

test('a backup is created while the shop sells, is listed with its store and in the menu, and is deleted', async () => {
  const id = uniqueId('kept');
  await env.create(id);
  await env.waitForState(id, StoreState.READY);
  const viewer = await env.open(`/stores/${id}`, { token: env.token('viewer', 'e2e backup viewer') });
  const window = await env.open(`/stores/${id}`);
  await window.page.getByText('No backups yet').waitFor();
  await window.button('Create backup').click();
  await window.dialog().getByLabel('Description').fill('before the sale');
  await window.expectAccessible();
  await window.dialog().getByRole('button', { name: 'Create backup' }).click();
  // Both windows follow it by the events of the store.
  const complete = (each: Window) => each.page.locator('[data-backup]', { hasText: 'before the sale' });
  for (const each of [window, viewer]) {
    await complete(each).locator('[data-backup-state=COMPLETE]').waitFor();
    await each.waitForText(complete(each), 'Simulated, no data');
    await each.waitForState('READY');
    await each.page.locator('.timeline li[data-type=BACKUP_COMPLETED]').waitFor();
  }
  await window.waitForText(window.page.locator('.steps li[data-status=skipped]'), 'Back up database and files');
  await window.waitForText(window.page.locator('.steps li[data-status=done]'), 'Verify backup');
  expect(await viewer.button(/^Delete backup/).count()).toBe(0);
  await window.expectAccessible();
  await window.page.getByRole('heading', { name: 'Backups' }).scrollIntoViewIfNeeded();
  await window.screenshot('store-backups');

  await window.page.getByRole('link', { name: 'Backups' }).click();
  await window.page.waitForURL('**/backups');
  await window.page.getByLabel('Store ID').fill(id);
  await complete(window).getByRole('link', { name: id }).waitFor();
  await complete(window)
    .getByRole('button', { name: /^Delete backup/ })
    .click();
  await window.waitForText(window.dialog(), `The backup of ${id}`);
  await window.expectAccessible();
  await window.dialog().getByRole('button', { name: 'Delete backup' }).click();
  await complete(window).locator('[data-backup-state=DELETING]').waitFor();
  await window.page.getByText('No matching backups').waitFor();
  for (const each of [window, viewer]) each.expectNoErrors();
  await env.remove(id);
});

test('a store is restored from a backup, once its present data is backed up', async () => {
  const id = uniqueId('restored');
  await env.create(id);
  await env.waitForState(id, StoreState.READY);
  await env.backUp(id, 'before the sale');
  const viewer = await env.open(`/stores/${id}`, { token: env.token('viewer', 'e2e restore viewer') });
  const window = await env.open(`/stores/${id}`);
  const restore = (each: Window) =>
    each.page.locator('[data-backup]', { hasText: 'before the sale' }).getByRole('button', { name: /^Restore backup/ });
  await restore(window).click();
  await window.waitForText(window.dialog(), 'they remain only in a backup of the present data, which is made first.');
  await window.dialog().getByLabel('Skip the backup of the present data').check();
  await window.waitForText(window.dialog(), 'What is in the shop now is then lost');
  await window.expectAccessible();
  await window.screenshot('store-restore');
  await window.dialog().getByLabel('Skip the backup of the present data').uncheck();
  await window.dialog().getByRole('button', { name: 'Restore backup' }).click();
  for (const each of [window, viewer]) {
    const line = each.page.getByTestId('operations').locator('li', { hasText: 'Restore by e2e admin' });
    await each.waitForText(line, 'Succeeded', 60_000);
    await each.waitForState('READY');
    await each.waitForText(each.page.locator('[data-backup]'), 'Before a restore');
    expect(await restore(each).getAttribute('aria-disabled')).toBe(String(each === viewer));
  }
  const steps = await window.page
    .locator('.steps li')
    .evaluateAll((items) => items.map((item) => item.getAttribute('data-step')));
  expect(steps).toEqual(['MAINTENANCE', 'BACK_UP', 'VERIFY_BACKUP', 'RESTORE', 'END_MAINTENANCE', 'ROLLOUT', 'VERIFY']);
  await window.page.getByRole('heading', { name: 'Restore steps' }).scrollIntoViewIfNeeded();
  await window.screenshot('store-restore-steps');
  for (const each of [window, viewer]) each.expectNoErrors();
  await env.remove(id);
});

test('settings are edited after a preview, compared with those before, and rolled back', async () => {
  const id = uniqueId('edited');
  await env.create(id);
  await env.waitForState(id, StoreState.READY);
  const viewer = await env.open(`/stores/${id}`, { token: env.token('viewer', 'e2e edit viewer') });
  const window = await env.open(`/stores/${id}`);
  const revision = (each: Window, number: number) => each.page.locator(`[data-revision="${number}"]`);
  const isCurrent = (each: Window, number: number) => each.waitForText(revision(each, number), 'Current', 60_000);
  await isCurrent(window, 1);
  await window.button('Edit').click();
  await window.dialog().getByLabel('Name').fill('Tea Ltd');
  await window.dialog().getByRole('radio', { name: 'large' }).check();
  await window.expectAccessible();
  await window.dialog().getByRole('button', { name: 'Preview changes' }).click();
  await window.waitForText(window.dialog(), `Shop ${id} → Tea Ltd`);
  await window.waitForText(window.dialog(), 'small → large');
  await window.expectAccessible();
  await window.screenshot('store-edit');
  await window.dialog().getByRole('button', { name: 'Apply changes' }).click();
  for (const each of [window, viewer]) {
    const line = each.page.getByTestId('operations').locator('li', { hasText: 'Update by e2e admin' });
    await each.waitForText(line, 'Succeeded', 60_000);
    await each.waitForState('READY');
    await each.waitForText(each.page.locator('h1'), 'Tea Ltd');
    await isCurrent(each, 2);
  }
  const steps = await window.page
    .locator('.steps li')
    .evaluateAll((items) => items.map((item) => item.getAttribute('data-step')));
  expect(steps).toEqual(['UPGRADE', 'ROLLOUT', 'VERIFY']);
  await window.expectAccessible();

  await revision(viewer, 1).getByRole('button', { name: 'Compare revision 1' }).click();
  await viewer.waitForText(viewer.dialog().getByLabel('Settings'), 'small → large');
  await viewer.expectAccessible();
  expect(await viewer.dialog().getByLabel('Values').count()).toBe(0); // only administrators see them
  await viewer.page.keyboard.press('Escape');
  await revision(window, 1).getByRole('button', { name: 'Compare revision 1' }).click();
  await window.dialog().getByLabel('Values').waitFor();
  await window.expectAccessible();
  await window.screenshot('store-revisions-compared');
  await window.page.keyboard.press('Escape');

  const rollBack = (each: Window) => revision(each, 1).getByRole('button', { name: 'Roll back to revision 1' });
  expect(await rollBack(viewer).getAttribute('aria-disabled')).toBe('true');
  await rollBack(window).click();
  await window.waitForText(window.dialog(), `Tea Ltd → Shop ${id}`);
  await window.expectAccessible();
  await window.dialog().getByRole('button', { name: 'Roll back' }).click();
  for (const each of [window, viewer]) {
    await isCurrent(each, 3);
    await each.waitForState('READY');
    await each.waitForText(each.page.locator('h1'), `Shop ${id}`);
    each.expectNoErrors();
  }
  await window.page.getByRole('heading', { name: 'Revisions' }).scrollIntoViewIfNeeded();
  await window.screenshot('store-revisions');
  await env.remove(id);
});
