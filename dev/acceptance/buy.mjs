// A customer without a browser: an order with cash on delivery through WooCommerce's Store API.

import assert from 'node:assert/strict';
import { request } from 'node:http';

/** Time limit of one request, in milliseconds. */
const LIMIT = 20_000;
const ADDRESS = { first_name: 'Ada', last_name: 'Lovelace', address_1: '1 Main Street', city: 'Los Angeles', state: 'CA', postcode: '90001', country: 'US' };

/** Orders `quantity` of the shop's first product. The result was acknowledged: `{id, total, status}`, with the total in the currency's smallest unit. */
export async function buy(shopUrl, quantity) {
  const cart = await ask(shopUrl, 'cart');
  const token = cart.headers['cart-token'];
  const [product] = (await ask(shopUrl, 'products&per_page=1')).body;
  const filled = await ask(shopUrl, 'cart/add-item', { id: product.id, quantity }, token);
  const email = 'customer@example.com';
  const { body } = await ask(shopUrl, 'checkout', { billing_address: { ...ADDRESS, email }, shipping_address: ADDRESS, payment_method: 'cod' }, token);
  assert.ok(body.order_id && body.payment_result?.payment_status === 'success', JSON.stringify(body));
  return { id: body.order_id, total: Number(filled.body.totals.total_price), status: body.status };
}

/** One request of the Store API, whose answer must be good. */
function ask(shopUrl, path, content, token) {
  const { host } = new URL(shopUrl);
  const at = new URL(`http://${process.env.INGRESS || host}/`);
  const text = content && JSON.stringify(content);
  const headers = { host, ...(token && { 'cart-token': token }), ...(text && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }) };
  const options = { host: at.hostname, port: at.port || 80, path: `/?rest_route=/wc/store/v1/${path}`, method: text ? 'POST' : 'GET', headers, timeout: LIMIT };
  return new Promise((resolve, reject) => {
    const sent = request(options, (answer) => {
      let body = '';
      answer.setEncoding('utf8');
      answer.on('data', (part) => (body += part));
      answer.on('error', reject);
      answer.on('end', () => {
        if (answer.statusCode >= 300) return reject(new Error(`${path}: HTTP ${answer.statusCode}`));
        try {
          resolve({ headers: answer.headers, body: JSON.parse(body) });
        } catch (error) {
          reject(error);
        }
      });
    });
    sent.on('timeout', () => sent.destroy(new Error(`${path}: no answer within ${LIMIT} ms`)));
    sent.on('error', reject);
    sent.end(text);
  });
}
