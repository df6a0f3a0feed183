'use strict';
// Whether this pod's network policies are enforced. None of them allows connections to the Kubernetes API server, so one that succeeds shows that they are
// not. The outcome becomes the container's termination message, which the control plane reads from the pod's status:
//   network-isolation: closed 10.43.0.1:443      (or: open)
const { writeFileSync } = require('node:fs');
const { connect } = require('node:net');

/** Milliseconds after which an unanswered connection counts as blocked. */
const SILENT = 1_000;

class Isolation {
  #address = '';
  #isOpen = Promise.resolve(false);

  /** Starts to connect, without waiting. */
  constructor() {
    const { KUBERNETES_SERVICE_HOST: host = '', KUBERNETES_SERVICE_PORT_HTTPS: https, KUBERNETES_SERVICE_PORT: port = https ?? '443' } = process.env;
    if (host === '') return;
    this.#address = `${host.includes(':') ? `[${host}]` : host}:${port}`;
    this.#isOpen = new Promise((resolve) => {
      const socket = connect({ host, port: Number(port) });
      const end = (open) => {
        socket.destroy();
        resolve(open);
      };
      socket.on('connect', () => end(true)).on('error', () => end(false));
      setTimeout(() => end(false), SILENT).unref();
    });
  }

  async report() {
    if (this.#address === '') return;
    const outcome = (await this.#isOpen) ? 'open' : 'closed';
    try {
      writeFileSync(process.env.STORE_TERMINATION_LOG ?? '/dev/termination-log', `network-isolation: ${outcome} ${this.#address}\n`);
    } catch {
      // outside of Kubernetes there is no such file
    }
  }
}

module.exports = { Isolation };
