'use strict';
// Each sign-in costs a slow hash, and a password must not be guessed: sign-ins are limited by client address.

/** Sign-ins at once, and the seconds after which one more is allowed. */
const BURST = 10;
const SECONDS = 2;
/** Addresses that are remembered: a flood of them cannot fill the memory. */
const ADDRESSES = 10_000;

/** The customer's address: the last entry of X-Forwarded-For, which the ingress controller or the gateway appends. */
function clientAddress(request) {
  return request.headers['x-forwarded-for']?.split(',').at(-1).trim() || request.socket.remoteAddress;
}

class SignInLimit {
  #used = new Map();

  /** Counts one sign-in; false: it is one too many. */
  allows(address, now = Date.now()) {
    const { count = 0, at = now } = this.#used.get(address) ?? {};
    const left = Math.max(0, count - (now - at) / 1000 / SECONDS);
    this.#used.delete(address);
    const allowed = left + 1 <= BURST;
    this.#used.set(address, { count: allowed ? left + 1 : left, at: now });
    if (this.#used.size > ADDRESSES) this.#used.delete(this.#used.keys().next().value);
    return allowed;
  }

  middleware() {
    return (request, response, next) => {
      if (request.method !== 'POST' || request.path.startsWith('/session') || this.allows(clientAddress(request))) return next();
      response.set('Retry-After', String(SECONDS)).status(429);
      response.json({ type: 'too_many_requests', message: 'Too many sign-ins. Try again in a moment.' });
    };
  }
}

module.exports = { SignInLimit, clientAddress };
