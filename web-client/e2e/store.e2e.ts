import { afterAll, beforeAll, expect, test } from 'vitest';
import { StoreState } from '@/gen/storeplane/v1/store_pb';
import { fresh, Lab } from './lab/lab';
import type { Window } from './lab/window';

let lab: Lab;
beforeAll(async () => {
  lab = await Lab.start();
});
afterAll(() => lab?.stop());

/** Fills in the form, as far as it is said. */
async function fill(
  window: Window,
  form: { name?: string; id?: string; email?: string; plan?: string },
): Promise<void> {
  if (form.name !== undefined) await window.page.getByLabel('Name', { exact: true }).fill(form.name);
  if (form.id !== undefined) await window.page.getByLabel('Id', { exact: true }).fill(form.id);
  if (form.email !== undefined) await window.page.getByLabel("Administrator's e-mail").fill(form.email);
  if (form.plan) await window.page.getByRole('radio', { name: form.plan }).check();
}

function oneToN(sequences: number[]): number[] {
  return Array.from({ length: sequences.length }, (_, index) => sequences.length - index);
}

test('bad input is told at its fields by the server, and nothing is made', async () => {
  const window = await lab.open('/create');
  await fill(window, { name: 'Tea & Co' });
  expect(await window.page.getByLabel('Id', { exact: true }).inputValue()).toBe('tea-co');
  await fill(window, { id: 'Tea--Co' });
  await window.page.keyboard.press('Tab');
  await window.sees(window.page.locator('form'), /Must match .*lower-case letters/);
  await fill(window, { id: 'tea-co', email: 'nobody' });
  await window.page.keyboard.press('Tab');
  await window.sees(window.page.locator('form'), /Must be an e-mail address/);
  await window.button('Create store').click();
  await window.page.waitForFunction(() => document.activeElement?.getAttribute('name') === 'adminEmail');
  await window.isAccessible();
  const { stores } = await lab.stores.listStores({});
  expect(stores).toEqual([]);
  window.isSound();
  await window.close();
});

test('a store is created, watched live until it is ready, shows its login, and is deleted', async () => {
  const id = fresh('live');
  const window = await lab.open('/create');
  await window.page.evaluate(() => Object.assign(globalThis, { mark: 'the same page' }));
  await fill(window, { name: 'Kaffee & Kuchen', id, email: 'owner@example.com' });
  await window.sees(window.page.locator('section'), `store-${id}--${lab.tenant}.shops.test`);
  await window.button('Create store').click();
  await window.page.waitForURL(`**/stores/${id}`);
  await window.page.locator('.steps li[data-status=active]').first().waitFor();
  await window.untilState('READY');
  const steps = await window.page
    .locator('.steps li')
    .evaluateAll((items) => items.map((item) => [item.getAttribute('data-step'), item.getAttribute('data-status')]));
  expect(steps).toEqual([
    ['NAMESPACE', 'done'],
    ['SECRETS', 'done'],
    ['INSTALL', 'done'],
    ['ROLLOUT', 'done'],
    ['VERIFY', 'skipped'],
  ]);
  for (const duration of await window.page.locator('.steps [data-status=done] .time').allTextContents())
    expect(duration).toMatch(/^[\d.]+ s$/);
  await window.sees(window.page.locator('section', { hasText: 'Resources' }), /(\d+) of \1 ready/);
  expect(await window.page.locator('.resources li[data-child][data-ready=true]').count()).toBeGreaterThan(1);
  const store = await lab.until(id, StoreState.READY);
  await window.page.locator(`.timeline li[data-sequence="${store.lastSequence}"]`).waitFor();
  const sequences = await window.sequences();
  expect(sequences).toEqual(oneToN(sequences));
  expect(sequences.length).toBe(Number(store.lastSequence));

  await window.button('Show the login').click();
  const login = window.page.getByTestId('login');
  await login.waitFor();
  const { password } = await lab.stores.getStoreCredentials({ storeId: id });
  expect(await login.textContent()).toContain(password);
  await window.button(/^Hide/).click();
  await login.waitFor({ state: 'detached' });
  expect(await window.page.content()).not.toContain(password);

  await window.button('Delete').click();
  await window.button('Delete store').click();
  await window.untilState('DELETED');
  expect(await window.page.evaluate(() => Reflect.get(globalThis, 'mark'))).toBe('the same page');
  expect(await window.button('Delete').count()).toBe(0);
  window.isSound();
  await window.close();
});

test('a store that cannot be scheduled says why it waits, fails with that cause, and goes on when it is retried', async () => {
  const id = fresh('stuck');
  const window = await lab.open('/create');
  await fill(window, { name: 'Stuck', id, email: 'owner@example.com', plan: 'nowhere' });
  await window.button('Create store').click();
  await window.page.waitForURL(`**/stores/${id}`);
  await window.sees(window.page.locator('.steps li[data-status=active]'), /node/);
  expect(await window.page.getByTestId('failure').count()).toBe(0);
  await window.untilState('FAILED');
  const failure = window.page.getByTestId('failure');
  const store = await lab.until(id, StoreState.FAILED);
  expect(store.reason).toBe('UNSCHEDULABLE');
  const text = await failure.textContent();
  for (const fact of [store.message, store.remedy, store.details[0] ?? '?']) expect(text).toContain(fact);
  await window.page.locator('.steps li[data-step=ROLLOUT][data-status=failed]').waitFor();
  await window.isAccessible();
  await window.screenshot('store-failed-light');
  await window.page.emulateMedia({ colorScheme: 'dark' });
  await window.screenshot('store-failed-dark');
  await window.button('Retry').click();
  await window.untilState('PROVISIONING');
  await window.button('Cancel').click();
  await window.untilState('FAILED');
  await window.sees(failure, 'Cancelled');
  window.isSound();
  await window.close();
  await lab.remove(id);
});

test('two windows tell the same, each at once', async () => {
  const id = fresh('pair');
  const [one, two] = [await lab.open('/stores'), await lab.open('/stores', lab.token('viewer'))];
  await lab.create(id);
  for (const window of [one, two]) {
    await window.page.locator(`tr[data-store=${id}]`).waitFor();
    await window.page.getByRole('link', { name: `Shop ${id}`, exact: true }).click();
  }
  const { lastSequence } = await lab.until(id, StoreState.READY);
  const lines: (string | null)[][] = [];
  for (const window of [one, two]) {
    await window.untilState('READY');
    await window.page.locator(`.timeline li[data-sequence="${lastSequence}"]`).waitFor();
    lines.push(await window.page.locator('.timeline li .wrap').allTextContents());
  }
  expect(lines[0]).toEqual(lines[1]);
  await one.button('Delete').click();
  await one.button('Delete store').click();
  await two.untilState('DELETED');
  for (const window of [one, two]) {
    window.isSound();
    await window.close();
  }
});

test('a server that is killed and comes back is gone on with: nothing missed, nothing twice, no reload', async () => {
  const id = fresh('crash');
  const window = await lab.open('/stores');
  await lab.create(id);
  await window.page.getByRole('link', { name: `Shop ${id}`, exact: true }).click();
  await window.page.evaluate(() => Object.assign(globalThis, { mark: 'the same page' }));
  await window.page.locator('.timeline li[data-type=STEP_STARTED]').first().waitFor();
  await lab.server.kill();
  await window.page.getByText('Connection lost').waitFor();
  await window.screenshot('connection-lost-light');
  await lab.server.start();
  await window.page.getByText('Connection lost').waitFor({ state: 'detached' });
  await window.untilState('READY');
  const { lastSequence } = await lab.until(id, StoreState.READY);
  await window.page.locator(`.timeline li[data-sequence="${lastSequence}"]`).waitFor();
  const sequences = await window.sequences();
  expect(sequences).toEqual(oneToN(sequences));
  expect(await window.page.evaluate(() => Reflect.get(globalThis, 'mark'))).toBe('the same page');
  expect(window.troubles).toEqual([]);
  await window.close();
  await lab.remove(id);
});
