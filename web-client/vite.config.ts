import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

const server = `http://${process.env.STOREPLANE_ADDR ?? '127.0.0.1:8080'}`;

export default defineConfig({
  plugins: [react()],
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  // The server writes each answer's nonce in its place.
  html: { cspNonce: '__CSP_NONCE__' },
  server: { proxy: { '^/storeplane\\.v1\\.': { target: server } } },
  build: {
    // The first browsers that know light-dark(): it must not be taken apart.
    target: ['chrome123', 'edge123', 'firefox120', 'safari17.5'],
    // The policy allows no scripts and few images in the page itself.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  test: {
    environment: 'jsdom',
    include: ['src/**/*.test.{ts,tsx}'],
    setupFiles: ['test/setup.ts'],
    restoreMocks: true,
    testTimeout: 30_000,
  },
});
