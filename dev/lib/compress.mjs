// Writes FILE.br and FILE.gz beside every text file of a folder, which the server sends instead of FILE. Left out are files that
// hardly shrink, and index.html, into which the server writes.
//   node dev/lib/compress.mjs web-client/dist
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const folder = process.argv[2];
if (!folder) {
  console.error('usage: node compress.mjs FOLDER');
  process.exit(2);
}
const text = /\.(css|js|json|map|mjs|svg|txt|webmanifest)$/;
const forms = {
  br: (data) =>
    brotliCompressSync(data, {
      params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: data.length },
    }),
  gz: (data) => gzipSync(data, { level: 9 }),
};

const total = { plain: 0, br: 0, gz: 0 };
for (const name of readdirSync(folder, { recursive: true })) {
  if (/\.(br|gz)$/.test(name)) rmSync(join(folder, name));
}
for (const name of readdirSync(folder, { recursive: true }).filter((name) => text.test(name))) {
  const file = join(folder, name);
  const data = readFileSync(file);
  total.plain += data.length;
  for (const [end, compress] of Object.entries(forms)) {
    const small = compress(data);
    const worth = small.length < data.length * 0.9;
    if (worth) writeFileSync(`${file}.${end}`, small);
    total[end] += worth ? small.length : data.length;
  }
}
const kb = (bytes) => `${(bytes / 1000).toFixed(1)} kB`;
console.log(`${folder}: ${kb(total.plain)} of text, ${kb(total.br)} as brotli, ${kb(total.gz)} as gzip`);
