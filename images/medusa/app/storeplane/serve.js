'use strict';
// The shop's process: Medusa, the shop page and the probes on one port.
const { createServer } = require('node:http');
const path = require('node:path');
const express = require('express');
const { front } = require('./front');
const { DatabaseMonitor } = require('./database-monitor');

const PORT = 8080;
/** Milliseconds for open requests to finish after SIGTERM; the pod has 40 s. */
const SHUTDOWN = 25_000;
const ROOT = path.join(__dirname, '..');

let stop = () => process.exit(0);
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => stop());

async function main() {
  const monitor = new DatabaseMonitor();
  monitor.start();
  // exported for programs that embed Medusa; `medusa start` calls the same
  const { default: load } = require('@medusajs/medusa/loaders/index');
  const app = express();
  const { container, shutdown } = await load({ directory: ROOT, expressApp: app });
  const server = createServer(front({ app, container, monitor }));
  // longer than a proxy keeps an idle connection, so that it is always the proxy that closes it
  server.keepAliveTimeout = 75_000;
  server.listen(PORT, '::', 1024, () => console.log(`store: serving after ${process.uptime().toFixed(1)} s`));
  stop = () => {
    stop = () => {};
    setTimeout(() => process.exit(0), SHUTDOWN).unref();
    server.close(async () => {
      monitor.stop();
      await shutdown().catch((error) => console.error(`store: ${error.message}`));
      process.exit(0);
    });
    server.closeIdleConnections();
  };
}

main().catch((error) => {
  console.error(`store: ${error.stack ?? error}`);
  process.exit(1);
});
