'use strict';
const began = performance.now();

/** A problem that its message explains. */
class BootstrapError extends Error {}

/** One line of progress. The last one becomes the container's termination message if it fails. */
function say(text) {
  console.error(`bootstrap: ${((performance.now() - began) / 1000).toFixed(2).padStart(5)} s  ${text}`);
}

/** A variable of the environment; empty if it is not set. */
function setting(name) {
  return process.env[name] ?? '';
}

module.exports = { BootstrapError, say, setting };
