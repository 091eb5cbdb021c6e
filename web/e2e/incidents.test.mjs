// What the first page says of open incidents, in a real browser.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { incidentsAt } from '../dev/world.mjs';
import { axe, given, launch, open, serve, worldNow } from './browser.mjs';

const made = { skip: given !== null && 'needs the made-up world' };
let browser;

before(async () => { browser = await launch(); });
after(async () => { await browser?.close(); });

async function visit(t, options, view) {
  const server = await serve({ sse: true, ...options });
  const at = await open(browser, server, '/', view);
  t.after(async () => { await at.close(); server.close(); });
  return { server, ...at };
}

const lines = (page) => page.getByRole('region', { name: 'Open incidents' }).getByRole('listitem');

test('each open incident is a line with its state, above the hours, that leads to its first bad window', made, async (t) => {
  const { page, faults } = await visit(t);
  const loss = lines(page).filter({ hasText: 'missing after relay, in the window of Sun 22 Nov 12:09 UTC' });
  await loss.waitFor();
  assert.match(await loss.textContent(), /^Incomplete12 of .* events of flights are missing/);
  const unknown = lines(page).filter({ hasText: 'Nobody can tell what lake had of telemetry' }).first();
  assert.match(await unknown.textContent(), /^Unknown.*ada looks after it/);
  const above = await page.evaluate(() => {
    const [calls, grid] = ['.calls', '[role=grid]'].map((q) => document.querySelector(q).getBoundingClientRect().top);
    return calls < grid;
  });
  assert.ok(above);
  assert.deepEqual(await axe(page), []);
  await loss.getByRole('link').first().click();
  await page.waitForURL(/\/w\/flights\/2026-11-22T12:09:00Z\?edge=relay\.\.sink/);
  await page.getByRole('heading', { level: 1, name: /missing after relay/ }).waitFor();
  assert.deepEqual(faults, []);
});

test('without open incidents nothing is said of them, and one that opens appears by itself', made, async (t) => {
  const { page, server } = await visit(t, { incidents: [] });
  await page.getByRole('grid').waitFor();
  assert.equal(await page.locator('.calls').count(), 0);
  const one = {
    id: '5f0a1cf0-2b5e-5d0e-9d3c-000000000001', stream: 'clicks', cause: 'stopped', state: 'open', first: '2026-11-22T13:00:00Z', last: '2026-11-22T13:00:00Z', windows: 1,
    bad: 1, firstBad: '2026-11-22T13:00:00Z', lost: 0, expected: 0, openedAt: '2026-11-22T14:00:00Z', since: '2026-11-22T14:00:00Z', text: '',
  };
  server.state.incidents = [one];
  server.push('incident', one);
  await lines(page).filter({ hasText: 'clicks has had no event since Sun 22 Nov 13:00 UTC' }).waitFor();
  server.state.incidents = [];
  server.push('incident', { ...one, state: 'resolved', bad: 0 });
  await page.locator('.calls').waitFor({ state: 'detached' });
});

test('incidents fit a narrow screen', made, async (t) => {
  const { page } = await visit(t, {}, { size: 'narrow' });
  await lines(page).first().waitFor();
  const wide = await page.evaluate(() => document.querySelector('.calls').scrollWidth <= document.documentElement.clientWidth);
  assert.ok(wide);
});

test('an incident whose evidence is slow is there without it, and may be looked at again', made, async (t) => {
  const i = incidentsAt(worldNow).find((one) => one.cause === 'loss');
  const { page, server } = await visit(t, { incidents: [{ ...i, hintsReason: 'evidence is slow' }] });
  await page.goto(`${server.url}/incidents/${i.id}`);
  await page.getByText('Not known now: evidence is slow.').waitFor();
  await page.getByRole('heading', { name: 'What happened' }).waitFor();
  server.state.incidents = [i];
  await page.getByRole('button', { name: 'Look again' }).click();
  await page.getByText(/produced on web-17/).first().waitFor();
});
