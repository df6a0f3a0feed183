import { ask, getCart, money, placeOrder, updateCart } from './api.js';
import { attempt, element, say, show, totals } from './page.js';

/** Medusa's manual provider: the shop and the customer arrange the payment. Others need a page of their own. */
const MANUAL = 'pp_system_default';
const FIELDS = [
  ['email', 'E-mail address', 'email', 'email'],
  ['first_name', 'First name', 'given-name'],
  ['last_name', 'Last name', 'family-name'],
  ['address_1', 'Street and number', 'street-address'],
  ['postal_code', 'Postal code', 'postal-code'],
  ['city', 'City', 'address-level2'],
];

function addressForm(cart) {
  const known = { ...cart.shipping_address, email: cart.email };
  const fields = FIELDS.map(([name, label, autocomplete, type = 'text']) => [
    element('label', { for: name }, label),
    element('input', { id: name, name, type, autocomplete, required: true, maxlength: 200, value: known[name] ?? '' }),
  ]);
  const countries = cart.region.countries.map((country) => element('option', { value: country.iso_2, selected: country.iso_2 === known.country_code }, country.display_name));
  return [...fields, element('label', { for: 'country_code' }, 'Country'), element('select', { id: 'country_code', name: 'country_code', autocomplete: 'country' }, countries)];
}

function deliveryChoice(options, cart) {
  const radio = (option, at) =>
    element('label', {}, element('input', { type: 'radio', name: 'delivery', value: option.id, checked: at === 0, required: true }), ` ${option.name}, ${money(option.amount ?? 0, cart.currency_code)}`);
  return element('fieldset', {}, element('legend', {}, 'Delivery'), options.map(radio));
}

/** Second step: delivery and payment, with the final amounts. */
async function confirm(cart) {
  const [{ shipping_options: options }, { payment_providers: providers }] = await Promise.all([ask(`shipping-options?cart_id=${cart.id}`), ask(`payment-providers?region_id=${cart.region.id}`)]);
  if (options.length === 0) throw new Error('This shop does not deliver to that address.');
  if (!providers.some((provider) => provider.id === MANUAL)) throw new Error('This shop takes no orders on this page.');
  const amounts = element('div');
  const button = element('button', { type: 'submit' }, 'Place order');
  const choose = async (id) => {
    await ask(`carts/${cart.id}/shipping-methods`, { option_id: id });
    amounts.replaceChildren(totals(await getCart(), money));
  };
  const submit = (event) => {
    event.preventDefault();
    void attempt(button, async () => {
      say('Placing the order…');
      const order = await placeOrder(cart, MANUAL);
      location.href = `/order?id=${order.id}`;
    });
  };
  const delivery = deliveryChoice(options, cart);
  delivery.addEventListener('change', (event) => void attempt(button, () => choose(event.target.value)));
  const payment = element('fieldset', {}, element('legend', {}, 'Payment'), element('p', {}, 'The shop will contact you about the payment.'));
  await choose(options[0].id);
  return element('form', { class: 'panel', onsubmit: submit }, element('h2', { tabindex: -1 }, 'Delivery and payment'), delivery, payment, amounts, button);
}

await show(async () => {
  const cart = await getCart();
  if (!cart || cart.items.length === 0) return element('p', {}, 'Your cart is empty. ', element('a', { href: '/' }, 'See the products'));
  const body = element('div', { class: 'columns' });
  const button = element('button', { type: 'submit' }, 'Continue');
  const submit = (event) => {
    event.preventDefault();
    const { email, ...address } = Object.fromEntries(new FormData(event.target));
    void attempt(button, async () => {
      await updateCart(cart, { email, shipping_address: address, billing_address: address });
      const next = await confirm(cart);
      body.replaceChildren(event.target, next);
      say('Choose the delivery and place the order.');
      next.querySelector('h2').focus();
    });
  };
  body.append(element('form', { class: 'panel', onsubmit: submit }, element('h2', {}, 'Contact and address'), addressForm(cart), element('p', {}, button)));
  return body;
});
