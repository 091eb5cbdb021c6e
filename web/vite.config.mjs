import { defineConfig } from 'vite';

// The API the development server passes /api on to; dev/dev.mjs sets it.
const api = process.env.ROLLCALL_URL ?? 'http://127.0.0.1:8099';

export default defineConfig({
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    target: 'es2022',
    assetsInlineLimit: 0, // a data: address would need a hole in the Content-Security-Policy
    modulePreload: false,
    reportCompressedSize: true,
  },
  server: { host: '127.0.0.1', proxy: { '/api': api } },
  test: { css: true, include: ['src/**/*.test.{ts,tsx}'] },
});
