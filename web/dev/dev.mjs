// `npm run dev`: the pages from source, over ROLLCALL_URL or over a made-up world.
import { createServer } from 'vite';

if (process.env.ROLLCALL_URL === undefined) {
  const { startServer } = await import('./server.mjs');
  const { url } = await startServer();
  process.env.ROLLCALL_URL = url;
}
const vite = await createServer();
await vite.listen();
vite.printUrls();
