// Objectives, on the page of an hour and beside the signals they are about, in a real browser.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { axe, given, launch, open, serve } from './browser.mjs';

const made = { skip: given !== null && 'needs the made-up world' };
let browser;
let server;
before(async () => { browser = await launch(); server = await serve(); });
after(async () => { await browser?.close(); server?.close(); });

const section = (page) => page.getByRole('region', { name: /^Objectives/ });

async function visit(t, path, view) {
  const at = await open(browser, server, path, view);
  t.after(() => at.close());
  return at;
}

test('an hour shows what is left of the budgets of its stream, and which burns too fast', made, async (t) => {
  const { page, faults } = await visit(t, '/h/flights/2026-11-22T12');
  await section(page).getByText('Of 3 objectives, the budget of completeness is used up and the budget of latency burns too fast to last.').waitFor();
  const row = (name) => section(page).getByRole('row').filter({ hasText: name }).textContent();
  assert.match(await row('completeness'), /Budget used up.*99\.99.% arrive.*99\.969.%.*612 . 2.000.000.*−206/);
  assert.match(await row('latency'), /Burning too fast.*within 30.s.*14\.4 over 1 h and 5 min/);
  assert.match(await row('validity'), /Within budget/);
  assert.deepEqual(await axe(page), []);
  assert.deepEqual(faults, []);
});

test('latency and schemas show the objectives that they are about, and no others', made, async (t) => {
  const { page } = await visit(t, '/latency/flights?from=2026-11-22T12:00:00Z&to=2026-11-22T13:00:00Z');
  await section(page).getByRole('row').filter({ hasText: 'latency' }).waitFor();
  assert.equal(await section(page).getByRole('row').filter({ hasText: 'completeness' }).count(), 0);
});

test('a stream without objectives says so, on a narrow page too', made, async (t) => {
  const { page } = await visit(t, '/h/orders/2026-11-22T12', { size: 'narrow', theme: 'dark' });
  await section(page).getByText(/^None is set for this stream/).waitFor();
  await page.goto(`${server.url}/h/flights/2026-11-22T12`);
  await section(page).getByText(/^Of 3 objectives/).waitFor();
  assert.deepEqual(await axe(page), []);
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth) <= 0, 'wider than the page');
});
