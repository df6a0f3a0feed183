'use strict';
// The shop page: static files, and /shop.json, which tells them what they need to use the Store API.
const path = require('node:path');
const express = require('express');

const FOLDER = path.join(__dirname, '..', 'shop');
const PAGES = { '/': 'index', '/product': 'product', '/cart': 'cart', '/checkout': 'checkout', '/order': 'order' };
const POLICY = [
  "default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", 'img-src * data:', "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'",
].join('; ');
const { STORE_STAGING, STORE_URL } = process.env;

/** The first publishable key that is in use; the one that came with the shop comes first. */
const SHOP = `SELECT s.name, k.token AS publishable_key FROM store s LEFT JOIN LATERAL (
    SELECT token FROM api_key WHERE type = 'publishable' AND deleted_at IS NULL AND (revoked_at IS NULL OR revoked_at > now()) ORDER BY created_at LIMIT 1) k ON true
  WHERE s.deleted_at IS NULL ORDER BY s.created_at LIMIT 1`;

function shopPages(monitor) {
  const router = express.Router();
  for (const [url, page] of Object.entries(PAGES)) {
    router.get(url, (request, response) => {
      response.set({ 'Content-Security-Policy': POLICY, 'Cache-Control': 'no-cache' });
      response.sendFile(path.join(FOLDER, `${page}.html`));
    });
  }
  router.use('/assets', express.static(path.join(FOLDER, 'assets'), { index: false, setHeaders: (response) => response.set('Cache-Control', 'no-cache') }));
  router.get('/robots.txt', (request, response) => {
    const closed = STORE_STAGING === 'true' ? ['/'] : ['/app', '/admin', '/auth', '/cart', '/checkout', '/order'];
    response.type('text').send(['User-agent: *', ...closed.map((prefix) => `Disallow: ${prefix}`), ''].join('\n'));
  });
  router.get('/favicon.ico', (request, response) => response.redirect(301, '/assets/icon.svg'));
  router.get('/shop.json', async (request, response) => {
    try {
      const [shop] = await monitor.query(SHOP);
      response.set('Cache-Control', 'no-cache').json({ name: shop.name, publishable_key: shop.publishable_key, url: STORE_URL, staging: STORE_STAGING === 'true' });
    } catch (error) {
      console.error(`store: /shop.json: ${error.message}`);
      response.set('Retry-After', '10').status(503).json({ type: 'unavailable', message: 'The shop cannot reach its database. Try again shortly.' });
    }
  });
  return router;
}

module.exports = { shopPages };
