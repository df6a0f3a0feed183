// A Medusa shop: customers and the administrator in a real browser, a customer without one, and the orders in the database.

import assert from 'node:assert/strict';
import { kubectl } from '../calls.mjs';
import { ask } from '../http.mjs';

/** The form of the administrator's name. */
export const LOGIN = /^owner@store\.invalid$/;
const PERSON = { first_name: 'Ada', last_name: 'Lovelace', address_1: '1 Main Street', city: 'Los Angeles', postal_code: '90001' };
const EMAIL = 'customer@example.com';

/** Orders `quantity` of the shop's first product with manual payment, through the Store API. The result was acknowledged: `{id, total, status}`. */
export async function buy(shopUrl, quantity) {
  const { publishable_key } = (await ask(shopUrl, '/shop.json')).body;
  const store = async (path, content) => (await ask(shopUrl, `/store/${path}`, content, { 'x-publishable-api-key': publishable_key })).body;
  const [region] = (await store('regions?fields=id,*countries')).regions;
  const [product] = (await store('products?limit=1&fields=id,*variants')).products;
  const address = { ...PERSON, country_code: region.countries[0].iso_2 };
  const { id } = (await store('carts', { region_id: region.id, email: EMAIL, shipping_address: address, billing_address: address })).cart;
  await store(`carts/${id}/line-items`, { variant_id: product.variants[0].id, quantity });
  const [option] = (await store(`shipping-options?cart_id=${id}`)).shipping_options;
  await store(`carts/${id}/shipping-methods`, { option_id: option.id });
  const collection = (await store('payment-collections', { cart_id: id })).payment_collection;
  await store(`payment-collections/${collection.id}/payment-sessions`, { provider_id: 'pp_system_default' });
  const done = await store(`carts/${id}/complete`, {});
  assert.equal(done.type, 'order', JSON.stringify(done));
  return { id: done.order.display_id, total: done.order.total, status: done.order.status };
}

/** Puts the first product of the home page into the cart. */
export async function fillCart({ page, picture }, url) {
  const answer = await page.goto(url);
  assert.equal(answer.status(), 200, `${url} answers`);
  await page.locator('.products a').first().waitFor();
  await picture('home');
  await page.locator('.products a').first().click();
  await page.getByRole('button', { name: 'Add to cart' }).click();
  await page.getByText('is in your cart').waitFor();
}

/** Orders with manual payment, and returns the order's number. */
export async function order({ page, picture }, url) {
  await page.goto(new URL('checkout', url).href);
  for (const [id, value] of Object.entries({ email: EMAIL, ...PERSON })) await page.locator(`#${id}`).fill(value);
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.getByRole('button', { name: 'Place order' }).waitFor();
  await picture('checkout');
  await page.getByRole('button', { name: 'Place order' }).click();
  await page.locator('[data-order]').waitFor();
  await picture('order-received');
  return (await page.locator('[data-order]').textContent()).replace('#', '');
}

/** Opens the cart, which must have something in it. */
export async function seeCart({ page, picture }, url, what) {
  await page.goto(new URL('cart', url).href);
  await page.locator('tbody tr').first().waitFor();
  await picture(what);
}

async function enter(page, { adminUrl, username, password }) {
  await page.goto(adminUrl);
  await page.locator('input[name=email]').fill(username);
  await page.locator('input[name=password]').fill(password);
  await page.locator('button[type=submit]').first().click();
}

/** Signs in to the administration. */
export async function signIn({ page }, login) {
  await enter(page, login);
  await page.waitForURL(/\/app\/orders/);
}

/** True if the session has ended and this login is refused. */
export async function isSignedOut({ page, picture }, login) {
  await enter(page, login);
  await page.getByText(/invalid email or password/i).first().waitFor();
  await picture('old-password');
  return page.url().includes('/app/login');
}

/** Finds the order among the shop's orders, and signs in again if the session ended with its pod, which keeps it in memory without Redis. */
export async function seeOrder({ page, picture }, login, number, what) {
  await page.goto(`${login.adminUrl.replace(/\/?$/, '')}/orders`);
  const row = page.getByText(`#${number}`, { exact: true }).first();
  await row.or(page.locator('input[name=password]')).waitFor();
  if (page.url().includes('/login')) await signIn({ page }, login);
  await row.waitFor();
  await picture(what);
}

/** The rows of a query in the shop's database. */
async function query(namespace, sql) {
  // sh expands the variables in the pod, where they are
  const script = 'PGPASSWORD=$POSTGRES_PASSWORD exec psql --no-psqlrc --quiet --no-align --tuples-only --field-separator="$1" --host=/run/postgresql --username=$POSTGRES_USER --dbname=$POSTGRES_DB --command="$0"';
  const text = await kubectl('-n', namespace, 'exec', 'store-db-0', '--', 'sh', '-c', script, sql, '\t');
  return text.split('\n').filter(Boolean).map((line) => line.split('\t'));
}

/** Number of rows and checksum of each table that has orders. */
export async function orderTables(namespace) {
  const names = (await query(namespace, "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename LIKE 'order%' ORDER BY 1")).flat();
  const checksum = (table) => `SELECT '${table}', count(*), md5(coalesce(string_agg(t::text, '' ORDER BY t::text), '')) FROM "${table}" t`;
  const rows = await query(namespace, names.map(checksum).join(' UNION ALL '));
  return rows.map(([table, count, checksum]) => ({ table, count, checksum }));
}

/** All orders by number, as `{total, status}`. */
export async function orders(namespace) {
  const rows = await query(namespace, `SELECT o.display_id, s.totals ->> 'current_order_total', o.status FROM "order" o JOIN order_summary s ON s.order_id = o.id`);
  return new Map(rows.map(([id, total, status]) => [Number(id), { total: Number(total), status }]));
}
