// What a customer sees of a change: requests to the shop, one after another, until it has ended.

import { request } from 'node:http';

/** Between two requests, and the time limit of one, in milliseconds. */
const PAUSE = 50;
const LIMIT = 5000;

/** Begins; `end` returns how many requests failed, of how many, the longest time without a good answer and the slowest good answer, in milliseconds. */
export function outages(url) {
  let [running, failed, total, longest, slowest, since] = [true, 0, 0, 0, 0, 0];
  const loop = async () => {
    while (running) {
      const sent = Date.now();
      total += 1;
      const good = await isServed(url);
      if (!good) {
        failed += 1;
        since ||= sent;
      }
      if (since) longest = Math.max(longest, Date.now() - since);
      if (good) {
        since = 0;
        slowest = Math.max(slowest, Date.now() - sent);
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
    }
  };
  const ended = loop();
  const end = async () => {
    running = false;
    await ended;
    return { failed, total, longest, slowest };
  };
  return { end };
}

/** Whether the shop answers with its page. */
function isServed(url) {
  const { host } = new URL(url);
  const at = new URL(`http://${process.env.INGRESS || host}/`);
  return new Promise((resolve) => {
    const sent = request({ host: at.hostname, port: at.port || 80, path: '/', headers: { host }, timeout: LIMIT }, (answer) => {
      answer.resume();
      answer.on('end', () => resolve(answer.statusCode === 200));
      answer.on('error', () => resolve(false));
    });
    sent.on('timeout', () => sent.destroy());
    sent.on('error', () => resolve(false));
    sent.end();
  });
}
