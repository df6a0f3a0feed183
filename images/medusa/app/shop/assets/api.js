// The Store API, and the customer's cart, whose id is kept in this browser.

const CART = 'cart';
let shop;

/** Name and publishable key of the shop. */
export async function getShop() {
  shop ??= fetch('/shop.json').then((answer) => (answer.ok ? answer.json() : Promise.reject(new Error('The shop cannot be reached at the moment. Try again shortly.'))));
  return shop;
}

/** One request; an Error with the shop's message if it fails. */
export async function ask(path, body, method = body === undefined ? 'GET' : 'POST') {
  const { publishable_key: key } = await getShop();
  if (!key) throw new Error('This shop is not open yet.');
  const headers = { 'x-publishable-api-key': key, ...(body !== undefined && { 'content-type': 'application/json' }) };
  const answer = await fetch(`/store/${path}`, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  const json = await answer.json().catch(() => ({}));
  if (answer.ok) return json;
  throw Object.assign(new Error(json.message ?? `The shop answered with an error (${answer.status}).`), { status: answer.status });
}

/** The region that the customer has chosen, or the first. */
export async function getRegion() {
  const { regions } = await ask('regions?fields=*countries');
  if (regions.length === 0) throw new Error('This shop does not sell anywhere yet.');
  return regions.find((region) => region.id === sessionStorage.getItem('region')) ?? regions[0];
}

/** Products with their prices in a region. */
export async function getProducts(region, query = '') {
  const fields = 'id,title,handle,description,thumbnail,*images,*options,*variants,*variants.options,*variants.calculated_price,+variants.inventory_quantity,+variants.manage_inventory,+variants.allow_backorder';
  return (await ask(`products?region_id=${region.id}&limit=60&fields=${encodeURIComponent(fields)}${query}`)).products;
}

const CART_FIELDS = encodeURIComponent('*items,*region,*region.countries,*shipping_methods,+shipping_address.*,email,+total,+subtotal,+item_total,+shipping_total,+tax_total,currency_code,completed_at');

/** The customer's cart, or null. */
export async function getCart() {
  const id = localStorage.getItem(CART);
  if (!id) return null;
  try {
    const { cart } = await ask(`carts/${id}?fields=${CART_FIELDS}`);
    if (!cart.completed_at) return cart;
  } catch (error) {
    if (error.status !== 404) throw error;
  }
  localStorage.removeItem(CART);
  return null;
}

/** The customer's cart; a new one if there is none. */
async function needCart() {
  const found = await getCart();
  if (found) return found;
  const region = await getRegion();
  const { cart } = await ask('carts', { region_id: region.id });
  localStorage.setItem(CART, cart.id);
  return cart;
}

export async function addToCart(variant, quantity) {
  const cart = await needCart();
  await ask(`carts/${cart.id}/line-items`, { variant_id: variant, quantity });
}

export const setQuantity = (cart, item, quantity) =>
  quantity > 0 ? ask(`carts/${cart.id}/line-items/${item.id}`, { quantity }) : ask(`carts/${cart.id}/line-items/${item.id}`, undefined, 'DELETE');

export const updateCart = (cart, change) => ask(`carts/${cart.id}`, change);

/** Pays with the shop's manual provider and orders; returns the order. */
export async function placeOrder(cart, provider) {
  const { payment_collection: collection } = await ask('payment-collections', { cart_id: cart.id });
  await ask(`payment-collections/${collection.id}/payment-sessions`, { provider_id: provider });
  const done = await ask(`carts/${cart.id}/complete`, {});
  if (done.type !== 'order') throw new Error(done.error?.message ?? 'The order could not be placed.');
  localStorage.removeItem(CART);
  return done.order;
}

export function money(amount, currency) {
  return new Intl.NumberFormat(undefined, { style: 'currency', currency }).format(amount);
}
