// Requests a page of the shop at URL until it gets SIGTERM, then prints what `outages` found.

import { outages } from './outages.mjs';

const [url] = process.argv.slice(2);
const found = outages(url);
process.once('SIGTERM', async () => {
  const { failed, total, longest, slowest } = await found.end();
  console.log(`${failed} of ${total} requests failed; longest outage ${longest} ms, slowest answer ${slowest} ms`);
});
