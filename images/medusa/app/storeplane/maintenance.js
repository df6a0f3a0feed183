'use strict';
// Answers every request with 503 while the shop is being maintained.
const { createServer } = require('node:http');

const PORT = 8080;
const API = /^\/(store|admin|auth|hooks)(\/|$)|^\/shop\.json$/;
const name = (process.env.STORE_NAME || 'The shop').replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
const PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="30">
<title>${name}</title>
<style>
  body { margin: 0; min-height: 100vh; display: grid; place-content: center; text-align: center; font: 1.1rem/1.5 system-ui, sans-serif; color: #333; background: #f7f7f7 }
  main { max-width: 32rem; padding: 2rem }
  h1 { font-size: 1.6rem; overflow-wrap: anywhere }
  @media (prefers-color-scheme: dark) { body { color: #ddd; background: #1b1b1b } }
</style>
<main>
  <h1>${name}</h1>
  <p>We are carrying out maintenance and will be back shortly.</p>
</main>
</html>
`;

const server = createServer((request, response) => {
  request.resume();
  const path = request.url.split('?')[0];
  if (path === '/-/alive') return response.end('pong');
  const isApi = API.test(path);
  response.writeHead(503, {
    'Content-Type': isApi ? 'application/json' : 'text/html; charset=utf-8',
    'Retry-After': '30',
    'Cache-Control': 'no-store',
    'X-Robots-Tag': 'noindex',
  });
  response.end(isApi ? '{"type":"unavailable","message":"The shop is being maintained. Try again shortly."}' : PAGE);
});
server.listen(PORT, '::', 1024);
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(0));
