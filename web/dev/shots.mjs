// Pictures of every screen at both sizes and themes, into e2e/shots.
import { mkdir } from 'node:fs/promises';
import { launch, open, serve } from '../e2e/browser.mjs';

const out = new URL('../e2e/shots/', import.meta.url).pathname;
await mkdir(out, { recursive: true });
const only = process.argv[2] ?? '';
const browser = await launch();
const full = await serve();
const empty = await serve({ empty: true });
const screens = {
  hours: [full, '/'], week: [full, '/hours?span=7d'], hour: [full, '/h/flights/2026-11-22T12'], window: [full, '/w/flights/2026-11-22T12:09:00Z?edge=relay..sink'],
  unknown: [full, '/w/telemetry/2026-11-22T07:45:00Z?edge=agent..lake'], uid: [full, '/uid/01a20328-df60-8a5e-9def-010700000011'], latency: [full, '/latency/flights?from=2026-11-22T12:00:00Z&to=2026-11-22T13:00:00Z'], schemas: [full, '/schemas/orders?from=2026-11-22T11:00:00Z&to=2026-11-22T12:00:00Z'],
  incidents: [full, '/incidents'], calm: [empty, '/incidents'], empty: [empty, '/'], missing: [full, '/nowhere'],
};
for (const [name, [server, path]] of Object.entries(screens)) {
  if (!name.startsWith(only)) continue;
  for (const size of ['wide', 'narrow']) {
    for (const theme of ['light', 'dark']) {
      const { page, faults, close } = await open(browser, server, path, { size, theme });
      await page.waitForLoadState('domcontentloaded');
      await page.waitForFunction(() => document.querySelector('h1') && !document.querySelector('h1')?.textContent.startsWith('Asking'), null, { timeout: 8000 }).catch(() => undefined);
      await page.screenshot({ path: `${out}${name}-${size}-${theme}.png`, fullPage: true });
      if (faults.length) console.log(name, size, theme, faults);
      await close();
    }
  }
}
await browser.close();
full.close();
empty.close();
