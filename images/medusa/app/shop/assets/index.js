import { getProducts, getRegion, money } from './api.js';
import { element, picture, show } from './page.js';

/** The lowest price of a product's variants. */
function price(product) {
  const prices = product.variants.map((variant) => variant.calculated_price).filter((found) => found?.calculated_amount != null);
  if (prices.length === 0) return 'Not available';
  const lowest = prices.reduce((a, b) => (b.calculated_amount < a.calculated_amount ? b : a));
  const text = money(lowest.calculated_amount, lowest.currency_code);
  return prices.length > 1 ? `from ${text}` : text;
}

await show(async () => {
  const products = await getProducts(await getRegion());
  if (products.length === 0) return element('p', {}, 'There are no products yet.');
  const items = products.map((product) =>
    element('li', {}, element('a', { href: `/product?handle=${encodeURIComponent(product.handle)}` }, picture(product.thumbnail), element('h2', {}, product.title), element('p', { class: 'soft' }, price(product)))),
  );
  return element('ul', { class: 'products' }, items);
});
