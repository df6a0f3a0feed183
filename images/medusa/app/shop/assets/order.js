import { ask, money } from './api.js';
import { element, show, title, totals } from './page.js';

await show(async (shop) => {
  const id = new URLSearchParams(location.search).get('id') ?? '';
  const fields = encodeURIComponent('*items,display_id,email,currency_code,+total,+item_total,+shipping_total,+tax_total');
  const { order } = await ask(`orders/${encodeURIComponent(id)}?fields=${fields}`);
  title('Thank you for your order', shop);
  const items = order.items.map((item) => element('tr', {}, element('td', {}, `${item.quantity} × ${item.product_title}`), element('td', {}, money(item.unit_price * item.quantity, order.currency_code))));
  return [
    element('p', {}, 'Your order number is ', element('strong', { 'data-order': order.display_id }, `#${order.display_id}`), `. The shop has your address ${order.email} and will contact you.`),
    element('table', {}, element('tbody', {}, items)),
    totals(order, money),
    element('a', { href: '/' }, 'Back to the products'),
  ];
});
