'use strict';
// GET and HEAD requests to the shop's other host names are redirected to its URL. Others are answered: payment providers that report a payment to the
// address that they know follow no redirect.

/** Seconds that a redirect is cached: another host name may become the one in the URL. */
const MAX_AGE = 300;

/** The host name in the Host header. The API server's proxy puts its own name into X-Forwarded-Host. */
function requestedHost(request) {
  return (request.headers.host ?? '').toLowerCase().replace(/:\d*$/, '').replace(/\.$/, '');
}

/** The middleware for the shop's URL and its other host names, which blanks separate. */
function hostRedirect(url, hosts = '') {
  const others = new Set(hosts.split(' ').filter(Boolean));
  return (request, response, next) => {
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    if (!isRead || !request.url.startsWith('/') || !others.has(requestedHost(request))) return next();
    response.writeHead(308, { Location: url + request.url, 'Cache-Control': `max-age=${MAX_AGE}`, 'Content-Length': 0 }).end();
  };
}

module.exports = { hostRedirect };
