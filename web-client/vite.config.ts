import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

const server = `http://${process.env.STOREPLANE_ADDR ?? '127.0.0.1:8080'}`;

/** Libraries that every page needs; they change less often than the pages, so browsers keep them over an update. */
const LIBRARIES = [
  { name: 'components', test: /node_modules\/(@mantine|@floating-ui|react-\w|@tabler)/ },
  { name: 'libraries', test: /node_modules\/(react|react-dom|scheduler|@tanstack|@connectrpc|@bufbuild)\// },
];

export default defineConfig({
  plugins: [react()],
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  // The server replaces this with a nonce for each response.
  html: { cspNonce: '__CSP_NONCE__' },
  server: { proxy: { '^/(storeplane\\.v1\\.|auth/)': { target: server } } },
  build: {
    // The first browsers with light-dark(): it must not be transpiled.
    target: ['chrome123', 'edge123', 'firefox120', 'safari17.5'],
    // The Content-Security-Policy allows no inline scripts and few inline images.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: { output: { codeSplitting: { groups: LIBRARIES } } },
  },
  test: {
    environment: 'jsdom',
    include: ['src/**/*.test.{ts,tsx}'],
    setupFiles: ['test/setup.ts'],
    // Test files share the modules of a worker: to load the components takes longer than to test most of them.
    isolate: false,
    restoreMocks: true,
    testTimeout: 60_000,
  },
});
