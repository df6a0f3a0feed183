// A real browser for customers and administrators. What they do there differs between engines: `engines/`.

import { join } from 'node:path';
import { chromium } from 'playwright-core';

const { CHROMIUM, INGRESS, PICTURES } = process.env;

/** A browser that resolves every shop to the ingress. */
export const browser = () =>
  chromium.launch({
    executablePath: CHROMIUM,
    args: ['--no-sandbox', ...(INGRESS ? [`--host-resolver-rules=MAP * ${INGRESS}`] : [])],
  });

/** A browser window with its own cookies, errors and images. */
export async function visitor(of, name) {
  const context = await of.newContext({ viewport: { width: 1280, height: 900 } });
  context.setDefaultTimeout(30_000);
  const page = await context.newPage();
  const errors = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  const picture = (what) => page.screenshot({ path: join(PICTURES, `${name}-${what}.png`) });
  return { context, page, errors, picture };
}
