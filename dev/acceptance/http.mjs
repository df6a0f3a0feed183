// Requests to a shop without a browser.

import { request } from 'node:http';

/** Time limit of one request, in milliseconds. */
const LIMIT = 20_000;

/** Status and headers of one GET request, whatever they are. */
export function head(shopUrl, path) {
  const options = { ...at(shopUrl, path), headers: { host: new URL(shopUrl).host } };
  return new Promise((resolve, reject) => {
    const sent = request(options, (answer) => {
      answer.resume().on('end', () => resolve({ status: answer.statusCode, headers: answer.headers }));
    });
    limited(sent, path).on('error', reject).end();
  });
}

/** Where a request goes: to the ingress if there is one. */
function at(shopUrl, path) {
  const { hostname, port } = new URL(`http://${process.env.INGRESS || new URL(shopUrl).host}/`);
  return { host: hostname, port: port || 80, path, timeout: LIMIT };
}

function limited(sent, path) {
  return sent.on('timeout', () => sent.destroy(new Error(`${path}: no answer within ${LIMIT} ms`)));
}

/** One request for JSON, whose answer must be good: its headers and body. With `content` it is a POST. */
export function ask(shopUrl, path, content, more = {}) {
  const { host } = new URL(shopUrl);
  const text = content && JSON.stringify(content);
  const headers = { host, ...more, ...(text && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }) };
  const options = { ...at(shopUrl, path), method: text ? 'POST' : 'GET', headers };
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
    limited(sent, path).on('error', reject).end(text);
  });
}
