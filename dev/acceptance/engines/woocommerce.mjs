// A WooCommerce shop: customers and the administrator in a real browser, a customer without one, and the orders in the database.

import assert from 'node:assert/strict';
import { kubectl } from '../calls.mjs';
import { ask } from '../http.mjs';

/** The form of the administrator's name. */
export const LOGIN = /^admin-[a-z0-9]{8}$/;
const TABLES = ['wp_wc_orders', 'wp_wc_orders_meta', 'wp_wc_order_addresses', 'wp_wc_order_operational_data', 'wp_woocommerce_order_items', 'wp_woocommerce_order_itemmeta'];
const ADDRESS = { first_name: 'Ada', last_name: 'Lovelace', address_1: '1 Main Street', city: 'Los Angeles', state: 'CA', postcode: '90001', country: 'US' };

/** Orders `quantity` of the shop's first product with cash on delivery, through the Store API. The result was acknowledged: `{id, total, status}`, with the total in the currency's smallest unit. */
export async function buy(shopUrl, quantity) {
  const cart = await store(shopUrl, 'cart');
  const token = cart.headers['cart-token'];
  const [product] = (await store(shopUrl, 'products&per_page=1')).body;
  const filled = await store(shopUrl, 'cart/add-item', { id: product.id, quantity }, token);
  const email = 'customer@example.com';
  const { body } = await store(shopUrl, 'checkout', { billing_address: { ...ADDRESS, email }, shipping_address: ADDRESS, payment_method: 'cod' }, token);
  assert.ok(body.order_id && body.payment_result?.payment_status === 'success', JSON.stringify(body));
  return { id: body.order_id, total: Number(filled.body.totals.total_price), status: body.status };
}

/** One request of the Store API, whose answer must be good. */
function store(shopUrl, path, content, token) {
  return ask(shopUrl, `/?rest_route=/wc/store/v1/${path}`, content, token && { 'cart-token': token });
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

/** Opens the cart, which must have something in it. */
export async function seeCart({ page, picture }, url, what) {
  await page.goto(new URL('cart/', url).href);
  await page.locator('.wc-block-cart-items__row').first().waitFor();
  await picture(what);
}

/** The rows of a query in the shop's database. */
async function query(namespace, sql) {
  // sh expands the variables in the pod, where they are
  const script = 'MYSQL_PWD=$MARIADB_PASSWORD exec mariadb --user=$MARIADB_USER --batch --skip-column-names --execute="$0" $MARIADB_DATABASE';
  const text = await kubectl('-n', namespace, 'exec', 'store-db-0', '--', 'sh', '-c', script, sql);
  return text.split('\n').filter(Boolean).map((line) => line.split('\t'));
}

/** Number of rows and checksum of each table that has orders. */
export async function orderTables(namespace) {
  const counts = await query(namespace, TABLES.map((table) => `SELECT '${table}', COUNT(*) FROM ${table}`).join(' UNION ALL '));
  const sums = await query(namespace, `CHECKSUM TABLE ${TABLES.join(', ')}`);
  return counts.map(([table, count], index) => ({ table, count, checksum: sums[index][1] }));
}

/** All orders by id, as `{total, status}`. The total is in the currency's smallest unit. */
export async function orders(namespace) {
  const rows = await query(namespace, "SELECT id, ROUND(total_amount * 100), status FROM wp_wc_orders WHERE type = 'shop_order'");
  return new Map(rows.map(([id, total, status]) => [Number(id), { total: Number(total), status: status.replace(/^wc-/, '') }]));
}
