'use strict';
// `check URL`: everything that a customer does before the order, through the Store API. The line is removed again; no order remains.
const base = process.argv[2].replace(/\/$/, '');
/** Medusa's manual payment provider. */
const MANUAL = 'pp_system_default';
let key = '';

async function ask(method, path, body) {
  const headers = { 'x-publishable-api-key': key, 'content-type': 'application/json' };
  const answer = await fetch(`${base}${path}`, { method, headers, body: body && JSON.stringify(body), signal: AbortSignal.timeout(30_000) });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text.slice(0, 500)}`);
  return JSON.parse(text);
}

async function check() {
  const shop = await ask('GET', '/shop.json');
  key = shop.publishable_key;
  const [region] = (await ask('GET', '/store/regions?fields=*countries')).regions;
  const { products } = await ask('GET', `/store/products?region_id=${region.id}&limit=20&fields=title,*variants,*variants.calculated_price,%2Bvariants.inventory_quantity`);
  const sold = products.flatMap((product) => product.variants.map((variant) => ({ ...variant, product })));
  const variant = sold.find((found) => found.calculated_price?.calculated_amount != null && (!found.manage_inventory || found.allow_backorder || found.inventory_quantity > 0));
  if (!variant) return `${shop.name} answers but has no product to put into a cart`;
  const { cart: made } = await ask('POST', '/store/carts', { region_id: region.id, email: 'check@store.invalid', metadata: { check: true } });
  const { cart } = await ask('POST', `/store/carts/${made.id}/line-items`, { variant_id: variant.id, quantity: 1 });
  const address = { first_name: 'Test', last_name: 'Purchase', address_1: '1 Main Street', city: 'Springfield', postal_code: '12345', country_code: region.countries[0].iso_2 };
  await ask('POST', `/store/carts/${cart.id}`, { shipping_address: address, billing_address: address });
  const [option] = (await ask('GET', `/store/shipping-options?cart_id=${cart.id}`)).shipping_options;
  if (!option) throw new Error('there is no delivery to the shop\'s own country');
  const { cart: complete } = await ask('POST', `/store/carts/${cart.id}/shipping-methods`, { option_id: option.id });
  const providers = (await ask('GET', `/store/payment-providers?region_id=${region.id}`)).payment_providers.map((provider) => provider.id);
  if (providers.includes(MANUAL)) {
    const { payment_collection: collection } = await ask('POST', '/store/payment-collections', { cart_id: cart.id });
    await ask('POST', `/store/payment-collections/${collection.id}/payment-sessions`, { provider_id: MANUAL });
  }
  await ask('DELETE', `/store/carts/${cart.id}/line-items/${cart.items[0].id}`);
  if (providers.length === 0) throw new Error('no payment provider is enabled');
  return `${variant.product.title} in the cart, total ${complete.total} ${complete.currency_code}, payment by ${providers.join(', ')}`;
}

for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(143));
check().then(
  (text) => console.log(text),
  (error) => {
    console.error(error.message);
    process.exitCode = 1;
  },
);
