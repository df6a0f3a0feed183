// What all pages share: elements, the header, and messages.
import { getCart, getShop } from './api.js';

/** An element. Texts are never read as HTML. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith('on')) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, '');
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

const one = (selector) => document.querySelector(selector);

export function say(text, isProblem = false) {
  const status = one('[data-status]');
  status.replaceChildren(element('span', { class: isProblem && 'problem' }, text));
}

/** Runs what a person asked for; a failure is shown and the control can be used again. */
export async function attempt(control, work) {
  control.disabled = true;
  try {
    await work();
  } catch (error) {
    say(error.message, true);
  } finally {
    control.disabled = false;
  }
}

export function title(text, shop) {
  one('h1').textContent = text;
  document.title = `${text} – ${shop.name}`;
}

export async function countCart() {
  const cart = await getCart();
  const count = cart?.items?.reduce((sum, item) => sum + item.quantity, 0) ?? 0;
  one('[data-cart-count]').textContent = count > 0 ? `(${count})` : '';
  return cart;
}

export function picture(url, alt = '') {
  return url ? element('img', { class: 'picture', src: url, alt, loading: 'lazy' }) : element('div', { class: 'picture' });
}

export function totals(cart, money) {
  const row = (name, amount, kind) => [element('dt', { class: kind }, name), element('dd', { class: kind }, money(amount, cart.currency_code))];
  return element('dl', { class: 'totals' }, row('Products', cart.item_total), row('Delivery', cart.shipping_total), row('Taxes', cart.tax_total), row('Total', cart.total, 'total'));
}

/** Shows a page: `build` gets the shop and returns the elements of its body. */
export async function show(build) {
  const main = one('main');
  try {
    const shop = await getShop();
    one('[data-shop-name]').textContent = shop.name;
    one('[data-staging]').hidden = !shop.staging;
    title(one('h1').textContent, shop);
    one('[data-body]').replaceChildren(...[await build(shop)].flat());
    await countCart();
  } catch (error) {
    one('[data-body]').replaceChildren(element('p', { class: 'problem' }, error.message));
  }
  main.setAttribute('aria-busy', 'false');
}
