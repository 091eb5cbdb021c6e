// A server that asks for tokens, in a real browser.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { axe, given, launch, open, serve } from './browser.mjs';

const made = { skip: given !== null && 'needs the made-up world' };
const window = '/w/flights/2026-11-22T12:09:00Z?edge=relay..sink';
let browser;
before(async () => { browser = await launch(); });
after(async () => { await browser?.close(); });

async function guarded(t, path, options) {
  const tokens = new Map([['t-viewer', 'viewer'], ['t-ingest', 'ingest']]);
  const server = await serve({ tokens });
  t.after(() => server.close());
  const at = await open(browser, server, path, options);
  t.after(() => at.close());
  const heading = (text) => at.page.getByRole('heading', { level: 1, name: text }).waitFor();
  const show = async (text) => {
    await at.page.getByLabel('Your token').fill(text);
    await at.page.getByRole('button', { name: 'Go on' }).click();
  };
  return { ...at, server, tokens, heading, show };
}

test('the page asks for a token, is live with it, keeps it for the tab, and forgets it when told', made, async (t) => {
  const { page, faults, heading, show } = await guarded(t, window);
  await heading('This server asks for a token.');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'token');
  await show('two words');
  await page.getByRole('alert').getByText(/one word/).waitFor();
  await show('t-wrong');
  await page.getByRole('alert').getByText('the token is not known here').waitFor();
  await show('t-viewer');
  await heading(/are missing after relay/);
  await page.getByText('Live', { exact: true }).waitFor();
  assert.equal(new URL(page.url()).pathname + new URL(page.url()).search, window);
  await page.reload();
  await heading(/are missing after relay/);
  const saved = page.waitForEvent('download');
  await page.getByRole('link', { name: 'This list as JSON' }).click();
  assert.equal(JSON.parse(await readFile(await (await saved).path(), 'utf8')).items.length, 12);
  await page.getByRole('button', { name: 'Forget token' }).click();
  await heading('This server asks for a token.');
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
  await page.reload();
  await heading('This server asks for a token.');
  assert.deepEqual(faults, []);
});

test('a token that is revoked ends the live page, which says why', made, async (t) => {
  const { page, server, tokens, heading, show } = await guarded(t, '/');
  await show('t-viewer');
  await page.getByText('Live', { exact: true }).waitFor();
  tokens.delete('t-viewer');
  server.end();
  await heading('This server asks for a token.');
  await page.getByRole('alert').getByText('the token is not known here').waitFor();
});

test('a role that may not read is told so in the words of the server', made, async (t) => {
  const { page, show } = await guarded(t, '/');
  await show('t-ingest');
  await page.getByRole('alert').getByText(/needs the role viewer; the token has the role ingest/).first().waitFor();
  await page.getByRole('button', { name: 'Forget token' }).waitFor();
});

for (const size of ['wide', 'narrow']) {
  for (const theme of ['light', 'dark']) {
    test(`axe finds nothing where a token is asked for, nor with one: ${size}, ${theme}`, made, async (t) => {
      const { page, heading, show } = await guarded(t, '/', { size, theme });
      const narrow = async () => assert.ok(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth) <= 0, 'wider than the page');
      await heading('This server asks for a token.');
      await show('t-wrong');
      await page.getByRole('alert').waitFor();
      assert.deepEqual(await axe(page), []);
      await narrow();
      await show('t-viewer');
      await heading(/events are lost/);
      assert.deepEqual(await axe(page), []);
      await narrow();
    });
  }
}
