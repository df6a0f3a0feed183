import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestEnv } from './support/test-env';
import { Window } from './support/window';

let env: TestEnv;
beforeAll(async () => {
  env = await TestEnv.start();
});
afterAll(() => env?.stop());

const linkTo = (path: string, code: string) => `${env.server.url}${path}#code=${code}`;

test('a link signs in after a confirmation, further tabs share the session, and signing out ends it in all', async () => {
  const link = linkTo('/stores?show=ready', env.code('e2e admin'));
  const window = await Window.open(link);
  await window.waitForText(window.page.locator('main'), 'This link signs you in as e2e admin');
  expect(window.page.url()).toBe(`${env.server.url}/stores?show=ready`);
  await window.expectAccessible();
  await window.screenshot('link-sign-in-light');
  await window.button('Sign in').click();
  await window.page.getByRole('heading', { name: 'Stores', level: 1 }).waitFor();
  const stored = await window.page.evaluate(() =>
    JSON.stringify([{ ...sessionStorage }, { ...localStorage }, document.cookie, document.location.href]),
  );
  expect(stored).not.toMatch(/sp[tsc]_/);

  const tab = await window.openTab(`${env.server.url}/activity`);
  await tab.page.getByRole('heading', { name: 'Activity', level: 1 }).waitFor();
  // A link never replaces a session by itself.
  env.token('viewer');
  await tab.page.goto(linkTo('/activity', env.code('e2e viewer')));
  await tab.waitForText(tab.dialog(), 'This link signs you in as e2e viewer');
  await tab.waitForText(tab.dialog(), 'You are signed in as e2e admin');
  await tab.expectAccessible();
  await tab.button('Keep the current session').click();
  await tab.dialog().waitFor({ state: 'hidden' });
  await tab.waitForText(tab.page.locator('nav'), 'admin · ');
  await tab.button('Sign out').click();
  for (const each of [window, tab]) await each.page.getByRole('heading', { name: 'Sign in' }).waitFor();
  // The first link worked once.
  await tab.page.goto(link);
  await tab.waitForText(tab.page.getByRole('alert'), /code in this link is unknown, was used, or has expired/);
  window.expectNoErrors();
});

test('an invalid token is explained, by link and by hand, and a valid one opens the requested page', async () => {
  const window = await Window.open(linkTo('/activity', 'spc_nonsense'));
  await window.waitForText(window.page.getByRole('alert'), /code in this link is unknown, was used, or has expired/);
  const field = window.page.getByLabel('Token', { exact: true });
  await field.fill('spt_nonsense');
  await window.button('Sign in').click();
  await window.waitForText(window.page.locator('form'), /This token is unknown/);
  await window.expectAccessible();
  await window.screenshot('sign-in-light');
  await field.fill(` ${env.admin} `);
  await window.button('Sign in').click();
  await window.page.getByRole('heading', { name: 'Activity' }).waitFor();
  expect(window.page.url()).toBe(`${env.server.url}/activity`);
  await window.page.reload();
  await window.page.getByRole('heading', { name: 'Activity' }).waitFor();
  window.expectNoErrors();
});

test('a revoked token opens the sign-in and keeps unsaved input', async () => {
  const window = await env.open('/create', { token: env.token('operator', 'leaver') });
  await window.page.getByLabel('Name', { exact: true }).fill('Tea & Co');
  env.revoke('leaver');
  await window.page.getByLabel('Admin email').fill('me@example.com');
  await window.page.getByRole('dialog', { name: 'Sign in again' }).waitFor({ timeout: 40_000 });
  await window.page.getByLabel('Token', { exact: true }).fill(env.admin);
  await window.dialog().getByRole('button', { name: 'Sign in', exact: true }).click();
  await window.dialog().waitFor({ state: 'hidden' });
  expect(await window.page.getByLabel('Name', { exact: true }).inputValue()).toBe('Tea & Co');
  expect(await window.page.getByLabel('Admin email').inputValue()).toBe('me@example.com');
});
