// Incidents: the list, one of them, saying that one looks after it, and muting, in a real browser.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { axe, given, launch, open, serve, worldNow } from './browser.mjs';

const made = { skip: given !== null && 'needs the made-up world' };
const loss = '/incidents/5f0a1cf0-2b5e-5d0e-9d3c-019eab7f5440';
let browser;
before(async () => { browser = await launch(); });
after(async () => { await browser?.close(); });

async function visit(t, path, { view, ...options } = {}) {
  const server = await serve({ sse: true, ...options });
  const at = await open(browser, server, path, view);
  t.after(async () => { await at.close(); server.close(); });
  return { server, ...at, heading: (text) => at.page.getByRole('heading', { level: 1, name: text }).waitFor() };
}

/** Opens the page of the loss after relay, from the list. */
async function theLoss(page) {
  await page.getByRole('link', { name: /12 of .* events of flights are missing after relay/ }).click();
  await page.waitForURL(/\/incidents\/5f0a1cf0/);
}

test('the list says how many are open, and leads to one with its hints, hours, timeline and windows', made, async (t) => {
  const { page, faults, heading } = await visit(t, '/incidents');
  await heading(/^\d incidents are open; nobody looks after \d\.$/);
  await theLoss(page);
  await heading(/12 of .* are missing after relay.*; nobody looks after it\.$/);
  await page.getByRole('region', { name: 'What they have in common' }).getByText('9 of 12 were produced on web-17').waitFor();
  await page.getByRole('region', { name: 'What happened' }).getByText('oncall was told that it is open.').waitFor();
  const row = page.getByRole('region', { name: 'Its windows, as they are now' }).getByRole('row').filter({ hasText: '12:09–12:10' });
  assert.match(await row.textContent(), /Incomplete12/);
  await page.getByRole('list', { name: 'Hours it touches' }).getByRole('link', { name: 'Sun 22 Nov 12:00' }).click();
  await page.waitForURL(/\/h\/flights\/2026-11-22T12/);
  assert.deepEqual(faults, []);
});

test('who says that he looks after one stands there from then on', made, async (t) => {
  const { page, heading } = await visit(t, '/incidents');
  await theLoss(page);
  await page.getByLabel('Note for the others').fill('restarting web-17');
  await page.getByRole('button', { name: 'I look after it' }).click();
  await heading(/; local looks after it\.$/);
});

test('muting wants a reason, has the end that its address says, hides nothing, and can be ended', made, async (t) => {
  const { page, server, heading } = await visit(t, '/incidents');
  await theLoss(page);
  await page.getByRole('link', { name: 'Mute …' }).click();
  await heading(/^Once you say why, nobody is called about flights, relay → sink, until 22 Nov 18:21:00 UTC\.$/);
  await page.getByRole('link', { name: '12 hours' }).click();
  await page.waitForURL(/\/mute\?for=12h/);
  await page.getByRole('button', { name: /^Mute until/ }).click();
  assert.equal(server.state.silences, undefined, 'muted without a reason');
  await page.getByLabel(/^Why/).fill('planned work');
  await page.getByRole('button', { name: /^Mute until 23 Nov 02:21:00 UTC$/ }).click();
  await heading(/12 of .* are missing after relay.*nobody is called, it is silenced\.$/);
  const [made] = server.state.silences.values();
  assert.deepEqual([made.stream, made.edge, made.reason, Date.parse(made.end) > worldNow], ['flights', 'relay..sink', 'planned work', true]);
  await page.getByRole('button', { name: /^End now/ }).click();
  await page.getByText('None mutes this incident.').waitFor();
  assert.equal(server.state.silences.size, 0);
});

test('an address can fill the form, but not leave out the end', made, async (t) => {
  const { page, server } = await visit(t, '/incidents');
  await theLoss(page);
  await page.goto(`${page.url()}/mute?for=ever&of=stream&reason=by+link`);
  await page.getByRole('heading', { level: 1, name: /flights, all of it, until 22 Nov 18:21:00 UTC/ }).waitFor();
  await page.getByRole('button', { name: /^Mute until/ }).click();
  await page.waitForURL((url) => !url.pathname.endsWith('/mute'));
  const [made] = server.state.silences.values();
  assert.deepEqual([made.edge, made.reason], [undefined, 'by link']);
});

test('what the server refuses is told in its words', made, async (t) => {
  const { page, server } = await visit(t, '/incidents');
  await theLoss(page);
  await page.getByRole('link', { name: 'Mute …' }).click();
  await page.getByLabel(/^Why/).fill('x');
  server.state.fail = (path) => path.endsWith('/silences');
  await page.getByRole('button', { name: /^Mute until/ }).click();
  await page.getByRole('alert').getByText(/the store is away/).first().waitFor();
  assert.match(page.url(), /\/mute/);
});

test('none, one that is not there, and a stream without any say so', made, async (t) => {
  const { page, heading } = await visit(t, '/incidents', { incidents: [] });
  await heading('No incident is open.');
  await page.getByText('None: everybody is called.').waitFor();
  await page.getByRole('link', { name: 'Over', exact: true }).click();
  await heading('0 incidents are over.');
  await page.goto(new URL(loss, page.url()).href);
  await heading(/^There is no incident/);
});

test('g and a letter lead to a screen, but not from a field', made, async (t) => {
  const { page } = await visit(t, '/h/flights/2026-11-22T12');
  await page.getByRole('grid').waitFor();
  await page.keyboard.press('g');
  await page.keyboard.press('l');
  await page.waitForURL(/\/latency\/flights$/);
  await page.keyboard.press('g');
  await page.keyboard.press('s');
  await page.waitForURL(/\/schemas\/flights$/);
  await page.keyboard.press('g');
  await page.keyboard.press('i');
  await page.waitForURL(/\/incidents$/);
  await page.getByRole('searchbox').fill('');
  await page.getByRole('searchbox').pressSequentially('gh');
  assert.match(page.url(), /\/incidents$/);
});

for (const size of ['wide', 'narrow']) {
  for (const theme of ['light', 'dark']) {
    test(`axe finds nothing on the pages of incidents and nothing is wider than they: ${size}, ${theme}`, made, async (t) => {
      const { page, faults } = await visit(t, '/incidents', { view: { size, theme } });
      const look = async () => {
        await page.getByText(/^None/).waitFor();
        assert.deepEqual(await axe(page), []);
        assert.ok(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth) <= 0, `${page.url()} is wider than the page`);
      };
      await look();
      await theLoss(page);
      await look();
      await page.getByRole('link', { name: 'Mute …' }).click();
      await page.getByLabel(/^Why/).waitFor();
      await look();
      assert.deepEqual(faults, []);
    });
  }
}
