// What the tests of screens over the made-up world share: one browser and one server for a file.
import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { axe, given, launch, open, serve } from './browser.mjs';

/** Skips a test where a server is given by address. */
export const made = { skip: given !== null && 'needs the made-up world' };

/** Starts a browser and a server for the tests of a file; the answer opens pages, and says where the server is. */
export function world() {
  const at = { browser: undefined, server: undefined };
  before(async () => { at.browser = await launch(); at.server = await serve(); });
  after(async () => { await at.browser?.close(); at.server?.close(); });
  const visit = async (t, path, view, to = at.server) => {
    const page = await open(at.browser, to, path, view);
    t.after(() => page.close());
    return { ...page, heading: (text) => page.page.getByRole('heading', { level: 1, name: text }).waitFor() };
  };
  return { at, visit, url: (path) => at.server.url + path };
}

/** Runs a check at each size in each theme. */
export function everyView(run) {
  for (const size of ['wide', 'narrow']) {
    for (const theme of ['light', 'dark']) run({ size, theme });
  }
}

/** Holds that axe finds nothing on a page, and that nothing on it is wider than it. */
export async function sound(page, path) {
  assert.deepEqual(await axe(page), [], path);
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth) <= 0, `${path} is wider than the page`);
}
