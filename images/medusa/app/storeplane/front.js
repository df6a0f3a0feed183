'use strict';
// What a request passes before Medusa: redirects of other host names, probes, limits, the shop page and uploads.
const path = require('node:path');
const express = require('express');
const { hostRedirect } = require('./host-redirect');
const { shopPages } = require('./shop-pages');
const { SignInLimit, clientAddress } = require('./sign-in-limit');

const { STORE_URL, STORE_REDIRECT_HOSTS, STORE_STAGING, STORE_BODY_SIZE = '64', STORE_UPLOADS = '/srv/uploads' } = process.env;
const BODY_LIMIT = Number(STORE_BODY_SIZE) * 1024 * 1024;
/** Uploads are data: a picture that contains a program does not run it. */
const UPLOADS_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox";

/** The handler of all requests. */
function front({ app, container, monitor }) {
  const limit = new SignInLimit();
  const handler = express();
  handler.disable('x-powered-by');
  handler.set('trust proxy', 1);
  handler.use(log, headers, hostRedirect(STORE_URL, STORE_REDIRECT_HOSTS));
  handler.get('/-/alive', (request, response) => response.type('text').send('pong'));
  handler.get('/-/ready', (request, response) => ready(container, monitor, response));
  handler.use(bodyLimit);
  handler.use('/static', express.static(STORE_UPLOADS, { dotfiles: 'deny', index: false, setHeaders: uploadHeaders }), notFound);
  handler.use(shopPages(monitor));
  handler.use((request, response, next) => (monitor.isDown ? unavailable(response) : next()));
  handler.use('/auth', limit.middleware());
  handler.use(app);
  return handler;
}

/** The shop can sell: Medusa, its modules and the database answer. */
async function ready(container, monitor, response) {
  if (monitor.isDown) return unavailable(response);
  try {
    await container.resolve('query').graph({ entity: 'product', fields: ['id'], pagination: { take: 1 } });
    response.type('text').send('ready');
  } catch (error) {
    response.status(503).type('text').send(`not ready: ${error.message}`);
  }
}

function unavailable(response) {
  response.set('Retry-After', '10').set('Cache-Control', 'no-store').status(503);
  response.json({ type: 'unavailable', message: 'The shop cannot reach its database. Try again shortly.' });
}

function notFound(request, response) {
  response.status(404).type('text').send('not found');
}

function headers(request, response, next) {
  if (STORE_STAGING === 'true') response.set('X-Robots-Tag', 'noindex');
  response.set({ 'X-Content-Type-Options': 'nosniff', 'Referrer-Policy': 'same-origin', 'X-Frame-Options': 'SAMEORIGIN' });
  next();
}

function uploadHeaders(response) {
  response.set({ 'Content-Security-Policy': UPLOADS_POLICY, 'Cache-Control': 'public, max-age=86400' });
}

/** Medusa keeps an upload in memory, so its size must be known before. */
function bodyLimit(request, response, next) {
  if ('transfer-encoding' in request.headers) return response.status(411).json({ type: 'invalid_data', message: 'A Content-Length is required.' });
  if (Number(request.headers['content-length'] ?? 0) > BODY_LIMIT) return response.status(413).json({ type: 'invalid_data', message: `A request may have at most ${STORE_BODY_SIZE} MB.` });
  next();
}

function log(request, response, next) {
  if (request.headers['user-agent']?.startsWith('kube-probe')) return next();
  const from = performance.now();
  const line = `${clientAddress(request)} "${request.method} ${path.posix.normalize(request.url.split('?')[0])}"`;
  response.on('close', () => console.log(`${line} ${response.statusCode} ${((performance.now() - from) / 1000).toFixed(3)}`));
  next();
}

module.exports = { front };
