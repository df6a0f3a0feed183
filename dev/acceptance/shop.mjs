// A customer and an administrator, in a real browser.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const { CHROMIUM, INGRESS, PICTURES } = process.env;

/** A browser that resolves every shop to the ingress. */
export const browser = () =>
  chromium.launch({
    executablePath: CHROMIUM,
    args: ['--no-sandbox', ...(INGRESS ? [`--host-resolver-rules=MAP * ${INGRESS}`] : [])],
  });

/** A browser window with its own cookies, errors and images. */
export async function visitor(of, name) {
  const context = await of.newContext({ viewport: { width: 1280, height: 900 } });
  context.setDefaultTimeout(30_000);
  const page = await context.newPage();
  const errors = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  const picture = (what) => page.screenshot({ path: join(PICTURES, `${name}-${what}.png`) });
  return { context, page, errors, picture };
}

/** Puts the first product of the home page into the cart. */
export async function fillCart({ page, picture }, url) {
  const answer = await page.goto(url);
  assert.equal(answer.status(), 200, `${url} answers`);
  await picture('home');
  await page.locator('.add_to_cart_button').first().click();
  await page.locator('.added_to_cart, .added').first().waitFor();
}

/** Orders with cash on delivery, and returns the order's number. */
export async function order({ page, picture }, url) {
  await page.goto(new URL('checkout/', url).href);
  const fields = {
    email: 'customer@example.com',
    'shipping-first_name': 'Ada',
    'shipping-last_name': 'Lovelace',
    'shipping-address_1': '1 Main Street',
    'shipping-city': 'Los Angeles',
    'shipping-postcode': '90001',
  };
  await page.locator('#email').waitFor();
  for (const [id, value] of Object.entries(fields)) {
    const field = page.locator(`#${id}, #${id.replace('shipping', 'billing')}`).first();
    await field.fill(value);
  }
  const state = page.locator('#shipping-state, #billing-state').first();
  if (await state.count()) await state.selectOption('CA');
  await page.getByText('Cash on delivery').first().waitFor();
  await picture('checkout');
  await page.getByRole('button', { name: /place order/i }).click();
  await page.waitForURL(/order-received/);
  await picture('order-received');
  return page.url().match(/order-received\/(\d+)/)[1];
}

/** Signs in to wp-admin. */
export async function signIn({ page }, { adminUrl, username, password }) {
  await page.goto(adminUrl);
  await page.locator('#user_login').fill(username);
  await page.locator('#user_pass').fill(password);
  await page.locator('#wp-submit').click();
  await page.locator('#wpadminbar').waitFor();
}

/** True if the session has ended and this login is refused. */
export async function isSignedOut({ page, picture }, { adminUrl, username, password }) {
  await page.goto(adminUrl);
  await page.locator('#user_login').fill(username);
  await page.locator('#user_pass').fill(password);
  await page.locator('#wp-submit').click();
  await page.locator('#login_error').waitFor();
  await picture('old-password');
  return (await page.locator('#wpadminbar').count()) === 0;
}

/** Finds the order among the shop's orders. Needs a signed-in administrator. */
export async function seeOrder({ page, picture }, { adminUrl }, number, what) {
  await page.goto(new URL('admin.php?page=wc-orders', adminUrl.replace(/\/?$/, '/')).href);
  await page.locator('#wpadminbar').waitFor();
  await page.getByText(`#${number}`).first().waitFor();
  await picture(what);
}
