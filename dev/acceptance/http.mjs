// Requests to a shop without a browser.

import { request } from 'node:http';

/** Time limit of one request, in milliseconds. */
const LIMIT = 20_000;

/** One request for JSON, whose answer must be good: its headers and body. With `content` it is a POST. */
export function ask(shopUrl, path, content, more = {}) {
  const { host } = new URL(shopUrl);
  const at = new URL(`http://${process.env.INGRESS || host}/`);
  const text = content && JSON.stringify(content);
  const headers = { host, ...more, ...(text && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }) };
  const options = { host: at.hostname, port: at.port || 80, path, method: text ? 'POST' : 'GET', headers, timeout: LIMIT };
  return new Promise((resolve, reject) => {
    const sent = request(options, (answer) => {
      let body = '';
      answer.setEncoding('utf8');
      answer.on('data', (part) => (body += part));
      answer.on('error', reject);
      answer.on('end', () => {
        if (answer.statusCode >= 300) return reject(new Error(`${path}: HTTP ${answer.statusCode}`));
        try {
          resolve({ headers: answer.headers, body: JSON.parse(body) });
        } catch (error) {
          reject(error);
        }
      });
    });
    sent.on('timeout', () => sent.destroy(new Error(`${path}: no answer within ${LIMIT} ms`)));
    sent.on('error', reject);
    sent.end(text);
  });
}
