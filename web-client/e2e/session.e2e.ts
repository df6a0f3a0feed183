import { afterAll, beforeAll, expect, test } from 'vitest';
import { Lab } from './lab/lab';
import { Window } from './lab/window';

let lab: Lab;
beforeAll(async () => {
  lab = await Lab.start();
});
afterAll(() => lab?.stop());

test('a token in the address signs in, and is nowhere but in sessionStorage afterwards', async () => {
  const window = await lab.open('/stores?show=ready');
  await window.page.getByRole('heading', { name: 'Stores', level: 1 }).waitFor();
  const left = await window.page.evaluate(() => ({
    address: location.href,
    session: Object.values(sessionStorage),
    local: Object.values(localStorage).join(),
    cookies: document.cookie,
  }));
  expect(left.address).toBe(`${lab.server.url}/stores?show=ready`);
  expect(left.session).toContain(lab.admin);
  expect(left.local + left.cookies).not.toContain(lab.admin);
  await window.page.goBack().catch(() => undefined);
  expect(window.page.url()).not.toContain(lab.admin);
  window.isSound();
  await window.close();
});

test('a wrong token is refused with a word, a right one opens the page that was asked for', async () => {
  const window = await Window.open(`${lab.server.url}/activity`);
  const field = window.page.getByLabel('Token', { exact: true });
  await field.fill('spt_nonsense');
  await window.button('Sign in').click();
  await window.sees(window.page.locator('form'), /does not know this token/);
  await window.isAccessible();
  await window.screenshot('sign-in-light');
  await field.fill(` ${lab.admin} `);
  await window.button('Sign in').click();
  await window.page.getByRole('heading', { name: 'Activity' }).waitFor();
  expect(window.page.url()).toBe(`${lab.server.url}/activity`);
  window.isSound();
  await window.close();
});

test('a revoked token leads back, and what was typed is still there', async () => {
  const window = await lab.open('/create', lab.token('operator', 'leaver'));
  await window.page.getByLabel('Name', { exact: true }).fill('Tea & Co');
  lab.revoke('leaver');
  await window.page.getByLabel("Administrator's e-mail").fill('me@example.com');
  await window.page.getByRole('dialog', { name: 'Sign in again' }).waitFor({ timeout: 40_000 });
  await window.page.getByLabel('Token', { exact: true }).fill(lab.admin);
  await window.page.getByRole('dialog').getByRole('button', { name: 'Sign in', exact: true }).click();
  await window.page.getByRole('dialog').waitFor({ state: 'hidden' });
  expect(await window.page.getByLabel('Name', { exact: true }).inputValue()).toBe('Tea & Co');
  expect(await window.page.getByLabel("Administrator's e-mail").inputValue()).toBe('me@example.com');
  await window.close();
});

test('a viewer sees everything and is offered nothing that changes it', async () => {
  await lab.create('kept');
  const viewer = lab.token('viewer');
  const window = await lab.open('/stores', viewer);
  await window.sees(window.page.locator('tbody tr'), 'kept');
  expect(await window.page.getByRole('checkbox').count()).toBe(0);
  expect(await window.page.getByRole('link', { name: 'New store' }).count()).toBe(0);
  await window.page.getByRole('link', { name: 'Shop kept', exact: true }).click();
  await window.untilState('READY');
  for (const name of ['Delete', 'Retry', 'Cancel', 'Show the login']) {
    expect(await window.button(name).count(), name).toBe(0);
  }
  await window.page.keyboard.press('n');
  expect(window.page.url()).toContain('/stores/kept');
  await window.page.goto(`${lab.server.url}/create`);
  await window.sees(window.page.locator('main'), 'Your role does not create stores');
  window.isSound();
  await window.close();
  await lab.remove('kept');
});
