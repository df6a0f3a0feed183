import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createAppRouter } from './router';

test('the server answers every page, so that each can be opened by its address', () => {
  const source = readFileSync(join(process.cwd(), '../server/src/http/dashboard/mod.rs'), 'utf8');
  const list = /const PAGES: [^=]*= \[([^\]]*)\]/.exec(source)?.[1] ?? '';
  const served = [...list.matchAll(/"([^"]*)"/g)].map(([, page]) => `/${page}`);
  // Below `/stores/` is a page for each store.
  const pages = Object.keys(createAppRouter().routesByPath).map((path) => path.replace(/\$.*/, ''));
  expect(pages.toSorted()).toEqual(served.toSorted());
});
