// What differs between engines: each file has the same functions. `run --engine` selects one.

export const engine = await import(`./${process.env.ENGINE || 'woocommerce'}.mjs`);
