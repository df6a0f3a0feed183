import { getCart, money, setQuantity } from './api.js';
import { attempt, countCart, element, say, show, totals } from './page.js';

async function change(control, cart, item, quantity) {
  await attempt(control, async () => {
    await setQuantity(cart, item, quantity);
    document.querySelector('[data-body]').replaceChildren(...[view(await countCart())].flat());
    say(quantity > 0 ? `Quantity of ${item.product_title}: ${quantity}.` : `${item.product_title} is removed.`);
  });
}

function row(cart, item) {
  const name = `Quantity of ${item.product_title}`;
  const quantity = element('input', { type: 'number', min: 0, max: 99, value: item.quantity, 'aria-label': name });
  quantity.addEventListener('change', () => void change(quantity, cart, item, Math.max(0, Number(quantity.value))));
  const remove = element('button', { class: 'plain', type: 'button', 'aria-label': `Remove ${item.product_title}` }, 'Remove');
  remove.addEventListener('click', () => void change(remove, cart, item, 0));
  const version = item.variant_title && item.variant_title !== item.product_title ? element('div', { class: 'soft' }, item.variant_title) : null;
  return element('tr', {}, element('td', {}, item.product_title, version), element('td', {}, quantity, ' ', remove), element('td', {}, money(item.unit_price * item.quantity, cart.currency_code)));
}

function view(cart) {
  if (!cart || cart.items.length === 0) return [element('p', {}, 'Your cart is empty.'), element('p', {}, element('a', { href: '/' }, 'See the products'))];
  const head = element('tr', {}, ['Product', 'Quantity', 'Price'].map((name) => element('th', { scope: 'col' }, name)));
  const table = element('table', {}, element('thead', {}, head), element('tbody', {}, cart.items.map((item) => row(cart, item))));
  return [table, totals(cart, money), element('a', { class: 'button', href: '/checkout' }, 'Go to checkout')];
}

await show(async () => view(await getCart()));
