import { addToCart, getProducts, getRegion, money } from './api.js';
import { attempt, countCart, element, picture, say, show, title } from './page.js';

const isSold = (variant) => variant.manage_inventory && !variant.allow_backorder && variant.inventory_quantity <= 0;

function describe(variant) {
  const price = variant.calculated_price;
  return price?.calculated_amount == null ? 'Not available here' : money(price.calculated_amount, price.currency_code);
}

function form(product) {
  const variants = product.variants;
  const select = element('select', { id: 'variant' }, variants.map((variant) => element('option', { value: variant.id }, `${variant.title}, ${describe(variant)}`)));
  const quantity = element('input', { id: 'quantity', type: 'number', min: 1, max: 99, value: 1, required: true });
  const price = element('p', { class: 'price' });
  const button = element('button', { type: 'submit' }, 'Add to cart');
  const update = () => {
    const variant = variants.find((found) => found.id === select.value);
    price.textContent = isSold(variant) ? `${describe(variant)}, sold out` : describe(variant);
    button.disabled = isSold(variant) || variant.calculated_price?.calculated_amount == null;
  };
  select.addEventListener('change', update);
  update();
  const submit = (event) => {
    event.preventDefault();
    void attempt(button, async () => {
      await addToCart(select.value, Number(quantity.value));
      await countCart();
      say(`${product.title} is in your cart.`);
    });
  };
  const choice = variants.length > 1 ? [element('label', { for: 'variant' }, 'Version'), select] : [];
  return element('form', { onsubmit: submit }, price, choice, element('label', { for: 'quantity' }, 'Quantity'), quantity, element('p', {}, button, ' ', element('a', { href: '/cart' }, 'Go to the cart')));
}

await show(async (shop) => {
  const handle = new URLSearchParams(location.search).get('handle') ?? '';
  const [product] = await getProducts(await getRegion(), `&handle=${encodeURIComponent(handle)}`);
  if (!product) throw new Error('There is no such product.');
  title(product.title, shop);
  const image = picture(product.images[0]?.url ?? product.thumbnail, product.title);
  return element('div', { class: 'columns' }, image, element('div', {}, element('p', {}, product.description ?? ''), form(product)));
});
