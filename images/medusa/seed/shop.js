'use strict';
// The seed's shop: one country and currency, one product with stock, shipping, payment by arrangement.
const core = require('@medusajs/medusa/core-flows');
const { ContainerRegistrationKeys, Modules, ProductStatus } = require('@medusajs/framework/utils');

const CURRENCY = 'usd';
const COUNTRY = 'us';
/** The bootstrap replaces it. */
const URL = 'http://store.invalid';

exports.default = async function seed({ container }) {
  const link = container.resolve(ContainerRegistrationKeys.LINK);
  const run = async (workflow, input) => (await workflow(container).run({ input })).result;

  const [store] = await container.resolve(Modules.STORE).listStores();
  const [channel] = await container.resolve(Modules.SALES_CHANNEL).listSalesChannels();
  const [key] = await container.resolve(Modules.API_KEY).listApiKeys({ type: 'publishable' });
  await run(core.updateStoresWorkflow, {
    selector: { id: store.id },
    update: { name: 'Shop', supported_currencies: [{ currency_code: CURRENCY, is_default: true }], default_sales_channel_id: channel.id },
  });
  await run(core.updateSalesChannelsWorkflow, { selector: { id: channel.id }, update: { name: 'Web shop', description: 'The shop page' } });
  await run(core.updateApiKeysWorkflow, { selector: { id: key.id }, update: { title: 'Web shop' } });

  const [region] = await run(core.createRegionsWorkflow, {
    regions: [{ name: 'Home', currency_code: CURRENCY, countries: [COUNTRY], payment_providers: ['pp_system_default'] }],
  });
  await run(core.createTaxRegionsWorkflow, [{ country_code: COUNTRY, provider_id: 'tp_system' }]);

  const [location] = await run(core.createStockLocationsWorkflow, { locations: [{ name: 'Warehouse', address: { address_1: '', country_code: COUNTRY } }] });
  await run(core.updateStoresWorkflow, { selector: { id: store.id }, update: { default_location_id: location.id, default_region_id: region.id } });
  await link.create({ [Modules.STOCK_LOCATION]: { stock_location_id: location.id }, [Modules.FULFILLMENT]: { fulfillment_provider_id: 'manual_manual' } });

  const profiles = await container.resolve(Modules.FULFILLMENT).listShippingProfiles({ type: 'default' });
  const profile = profiles[0] ?? (await run(core.createShippingProfilesWorkflow, { data: [{ name: 'Default', type: 'default' }] }))[0];
  const set = await container.resolve(Modules.FULFILLMENT).createFulfillmentSets({
    name: 'Delivery',
    type: 'shipping',
    service_zones: [{ name: 'Home', geo_zones: [{ country_code: COUNTRY, type: 'country' }] }],
  });
  await link.create({ [Modules.STOCK_LOCATION]: { stock_location_id: location.id }, [Modules.FULFILLMENT]: { fulfillment_set_id: set.id } });
  const rule = (attribute, value) => ({ attribute, value, operator: 'eq' });
  await run(core.createShippingOptionsWorkflow, [
    {
      name: 'Standard delivery',
      price_type: 'flat',
      provider_id: 'manual_manual',
      service_zone_id: set.service_zones[0].id,
      shipping_profile_id: profile.id,
      type: { label: 'Standard', description: 'Delivery within a few days', code: 'standard' },
      prices: [{ currency_code: CURRENCY, amount: 5 }],
      rules: [rule('enabled_in_store', 'true'), rule('is_return', 'false')],
    },
  ]);
  await run(core.linkSalesChannelsToStockLocationWorkflow, { id: location.id, add: [channel.id] });

  const [product] = await run(core.createProductsWorkflow, {
    products: [
      {
        title: 'Mug',
        handle: 'mug',
        description: 'A sample product. Edit or delete it in the administration.',
        status: ProductStatus.PUBLISHED,
        weight: 350,
        shipping_profile_id: profile.id,
        thumbnail: `${URL}/static/mug.svg`,
        images: [{ url: `${URL}/static/mug.svg` }],
        options: [{ title: 'Size', values: ['One size'] }],
        variants: [{ title: 'One size', sku: 'mug', options: { Size: 'One size' }, prices: [{ currency_code: CURRENCY, amount: 12 }], manage_inventory: true }],
        sales_channels: [{ id: channel.id }],
      },
    ],
  });
  const [item] = await container.resolve(Modules.INVENTORY).listInventoryItems({ sku: product.variants[0].sku });
  await run(core.createInventoryLevelsWorkflow, { inventory_levels: [{ location_id: location.id, stocked_quantity: 1000, inventory_item_id: item.id }] });
};
