// A custom domain of a shop: proved with a record in the DNS, served, in the shop's URL, and removed.

import assert from 'node:assert/strict';
import { call, eventually } from './calls.mjs';
import { dnsServer } from './dns.mjs';
import { head } from './http.mjs';

const { DNS_PORT, INGRESS } = process.env;

/** Adds a domain to the store and waits until its shop answers to it. The result has `make` it the primary one, and `remove` it. */
export async function addDomain(store, settled) {
  const { storeId: store_id, shopUrl } = store;
  const domain = `shop.${store_id}.example.com`;
  const dns = await dnsServer(Number(DNS_PORT));
  const claimed = await call('DomainService/CreateDomain', { store_id, domain });
  assert.equal(claimed.ownership.state, 'DOMAIN_OWNERSHIP_STATE_PENDING');
  const { name, value } = claimed.verificationRecord;
  dns.set('TXT', name, value);
  dns.set('A', domain, INGRESS);
  const verified = await call('DomainService/VerifyDomain', { store_id, domain });
  assert.equal(verified.ownership.state, 'DOMAIN_OWNERSHIP_STATE_VERIFIED', verified.ownership.message);
  assert.equal(verified.dns.state, 'DOMAIN_DNS_STATE_POINTS_HERE', verified.dns.message);
  await served((domains) => domains?.includes(domain));
  const url = shopUrl.replace(new URL(shopUrl).host, domain);
  await redirects(url, shopUrl);

  /** True once the store is READY with domains of which this is true. */
  function served(isSo) {
    return eventually(180, async () => {
      const now = await call('GetStore', { store_id });
      assert.ok(now.state === 'STORE_STATE_READY' && isSo(now.domains), `${now.state} ${now.message} ${now.domains}`);
    });
  }
  async function makePrimary() {
    const request = { store_id, store: { primary_domain: domain }, update_mask: { paths: ['primary_domain'] } };
    const now = await settled(await call('UpdateStore', request));
    assert.equal(now.shopUrl, url);
    await redirects(shopUrl, url);
    return now;
  }
  async function remove() {
    await call('DomainService/DeleteDomain', { store_id, domain });
    await served((domains) => !domains?.length);
    dns.end();
    const now = await call('GetStore', { store_id });
    assert.equal(now.shopUrl, shopUrl);
    await eventually(30, async () => assert.equal((await head(shopUrl, '/')).status, 200));
    await eventually(30, async () => assert.ok((await head(url, '/')).status >= 400, 'the ingress no longer routes the domain'));
  }
  return { domain, makePrimary, remove };
}

/** Waits until the pods from before have ended and the address redirects to the other one, with path and query. */
async function redirects(from, to) {
  const path = 'a/path?with=query';
  await eventually(30, async () => {
    const { status, headers } = await head(from, `/${path}`);
    assert.deepEqual([status, headers.location], [308, to + path]);
  });
}
