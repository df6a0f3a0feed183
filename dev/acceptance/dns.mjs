// A DNS server for custom domains of shops: it has the records that a test gives it, and no others.

import { createSocket } from 'node:dgram';
import { decode, encode, AUTHORITATIVE_ANSWER } from 'dns-packet';

const NO_SUCH_NAME = 3;

/** Listens on this port of loopback. `set(type, name, data)` replaces the records of a type. */
export async function dnsServer(port) {
  const records = new Map();
  const socket = createSocket('udp4');
  socket.on('message', (message, { address, port }) => {
    const { id, questions } = decode(message);
    const [{ type, name }] = questions;
    const of = records.get(name.toLowerCase());
    const answers = (of?.get(type) ?? []).map((data) => ({ type, name, ttl: 0, data }));
    const flags = AUTHORITATIVE_ANSWER | (of ? 0 : NO_SUCH_NAME);
    socket.send(encode({ type: 'response', id, flags, questions, answers }), port, address);
  });
  await new Promise((resolve) => socket.bind(port, '127.0.0.1', resolve));
  const set = (type, name, ...data) => records.set(name, (records.get(name) ?? new Map()).set(type, data));
  return { set, end: () => socket.close() };
}
