// The pages over a made-up world: what a reader does, in a real browser.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { axe, given, launch, open, serve } from './browser.mjs';

const made = { skip: given !== null && 'needs the made-up world' };
const hour = '/h/flights/2026-11-22T12';
const window = '/w/flights/2026-11-22T12:09:00Z?edge=relay..sink';
let browser;
let server;

before(async () => { browser = await launch(); server = await serve(); });
after(async () => { await browser?.close(); server?.close(); });

const heading = (page, text) => page.getByRole('heading', { level: 1, name: text }).waitFor();
const cell = (page, name) => page.getByRole('gridcell').getByRole('link', { name });

async function visit(t, path, options, to = server) {
  const at = await open(browser, to, path, options);
  t.after(() => at.close());
  return at;
}

test('the first page answers in one sentence and leads from an hour to a named UID', made, async (t) => {
  const { page, faults } = await visit(t, '/');
  await heading(page, /events are lost in 2 of 6 streams/);
  await cell(page, /flights, 22 Nov 2026 12:00–13:00 UTC: incomplete, 312 lost/).click();
  await heading(page, /312 of .* events of flights .* are lost, in 3 windows/);
  await cell(page, /relay → sink, 12:09–12:10 UTC: incomplete, 12 lost/).click();
  await heading(page, /12 of .* are missing after relay; 9 of them produced on web-17; 12 duplicated/);
  assert.equal(await page.getByRole('tab', { selected: true }).textContent(), 'Lost 12');
  await page.getByRole('tabpanel').getByRole('link').first().click();
  await heading(page, /was last seen by relay; sink has not told of it/);
  assert.deepEqual(faults, []);
});

test('back and forward lead through the same addresses, and a tab is an address too', made, async (t) => {
  const { page } = await visit(t, hour);
  await cell(page, /relay → sink, 12:09/).click();
  await heading(page, /missing after relay/);
  await page.getByRole('tab', { name: /Duplicated/ }).click();
  await page.waitForURL(/kind=duplicated/);
  await page.goBack();
  assert.equal(await page.getByRole('tab', { selected: true }).textContent(), 'Lost 12');
  await page.goBack();
  await heading(page, /events of flights/);
  await page.goForward();
  await heading(page, /missing after relay/);
});

test('every address can be opened directly', made, async (t) => {
  const { page } = await visit(t, `${window}&kind=duplicated`);
  await heading(page, /missing after relay/);
  assert.equal(await page.getByRole('tab', { selected: true }).textContent(), 'Duplicated 12');
  await page.goto(`${server.url}/w/flights/2026-11-22T12:09:00Z`);
  await heading(page, /missing after relay/);
  await page.goto(`${server.url}/w/flights/2026-11-22T12:09:00Z?edge=no..such`);
  await heading(page, 'The window has no edge no → such.');
  await page.goto(`${server.url}/h/flights/nonsense`);
  await heading(page, /is not an hour/);
  await page.goto(`${server.url}/nowhere`);
  await heading(page, 'There is no page at /nowhere.');
});

test('the grid is one stop for Tab, and the arrow keys move in it', made, async (t) => {
  const { page } = await visit(t, '/');
  const start = cell(page, /flights, 22 Nov 2026 12:00/);
  await start.focus();
  const focused = () => page.evaluate(() => document.activeElement.getAttribute('aria-label'));
  await page.keyboard.press('ArrowLeft');
  assert.match(await focused(), /^flights, 22 Nov 2026 11:00/);
  await page.keyboard.press('ArrowDown');
  assert.match(await focused(), /^orders, 22 Nov 2026 11:00/);
  await page.keyboard.press('Home');
  assert.match(await focused(), /^orders, 21 Nov 2026 15:00/);
  await page.keyboard.press('Control+End');
  assert.match(await focused(), /^telemetry, 22 Nov 2026 14:00/);
  assert.equal(await page.locator('[role=grid] a[tabindex="0"]').count(), 1);
  await page.keyboard.press('Enter');
  await page.waitForURL(/\/h\/telemetry\/2026-11-22T14/);
});

test('[ and ] move by one range, and the address says so', made, async (t) => {
  const { page } = await visit(t, '/hours?span=7d');
  await page.getByRole('grid').waitFor();
  await page.keyboard.press('[');
  await page.waitForURL(/to=2026-11-15T15/);
  await page.keyboard.press(']');
  await page.waitForURL((url) => !url.search.includes('to='));
});

test('markup in a name is text', made, async (t) => {
  const { page, faults } = await visit(t, '/w/orders/2026-11-22T11:20:00Z?edge=app..agent');
  await heading(page, /all produced on web-<img src=x onerror=/);
  await page.getByRole('cell', { name: /^web-<img/ }).first().waitFor();
  await page.goto(`${server.url}/uid/${encodeURIComponent('<img src=x onerror="document.title=\'owned\'">')}`);
  await heading(page, 'No hop has told of this event.');
  await page.goto(`${server.url}/${encodeURIComponent('<script>document.title="owned"</script>')}`);
  await heading(page, /There is no page at/);
  assert.equal(await page.locator('main img, main script').count(), 0);
  assert.doesNotMatch(await page.title(), /^owned/);
  assert.deepEqual(faults, []);
});

test('a changed verdict is on the page without a reload', made, async (t) => {
  let ended = false;
  const own = await serve({ now: () => Date.parse('2026-11-22T14:01:30Z') + (ended ? 60_000 : 0) });
  t.after(() => own.close());
  const { page } = await visit(t, '/w/flights/2026-11-22T14:01:00Z?edge=relay..sink', {}, own);
  await heading(page, /The window still runs/);
  await page.getByText('Live', { exact: true }).waitFor();
  ended = true;
  own.push('verdicts', { items: [{ stream: 'flights', start: '2026-11-22T14:01:00Z', seconds: 60, edge: 'relay..sink', state: 'settling' }] });
  await heading(page, /reached sink so far; .* pending until it has told the rest/);
});

test('without the live stream the page polls and says so', made, async (t) => {
  const own = await serve({ sse: false });
  t.after(() => own.close());
  const { page } = await visit(t, '/', {}, own);
  await page.getByText('Polling', { exact: true }).waitFor();
  await heading(page, /events are lost in 2 of 6 streams/);
});

test('a failing server is told in its own words, and trying again mends it', made, async (t) => {
  let away = true;
  const own = await serve({ fail: (path) => away && path.endsWith('/hours') });
  t.after(() => own.close());
  const { page } = await visit(t, '/', {}, own);
  await page.getByRole('alert').getByText(/the store is away/).waitFor();
  away = false;
  await page.getByRole('button', { name: 'Try again' }).click();
  await heading(page, /events are lost/);
});

test('an empty service says why and what to do', made, async (t) => {
  const own = await serve({ empty: true });
  t.after(() => own.close());
  const { page } = await visit(t, '/', {}, own);
  await heading(page, 'No stream has reported yet.');
  assert.match(await page.locator('pre').textContent(), /^curl http:\/\/127\.0\.0\.1:\d+\/api\/v1\/reports /);
  assert.deepEqual(await axe(page), []);
});

test('demo data is marked as such', made, async (t) => {
  const { page } = await visit(t, '/');
  await page.getByText('Demo data.').waitFor();
});

test('the chosen theme is there before the first paint of the next visit', async (t) => {
  const { page } = await visit(t, '/', { theme: 'light' });
  await page.getByRole('button', { name: /Theme/ }).click();
  await page.reload({ waitUntil: 'domcontentloaded' });
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark');
});

for (const size of ['wide', 'narrow']) {
  for (const theme of ['light', 'dark']) {
    test(`axe finds nothing and nothing is wider than the page: ${size}, ${theme}`, async (t) => {
      const paths = given === null ? ['/', '/hours?span=7d', hour, window, '/w/telemetry/2026-11-22T07:45:00Z', '/uid/x', '/nowhere'] : ['/', '/nowhere'];
      const { page, faults } = await visit(t, paths[0], { size, theme });
      for (const path of paths) {
        await page.goto(server.url + path);
        await page.waitForFunction(() => document.querySelector('h1') && !document.querySelector('h1').textContent.startsWith('Asking'));
        assert.deepEqual(await axe(page), [], path);
        const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(over <= 0, `${path} is ${over} px wider than the page`);
      }
      assert.deepEqual(faults, []);
    });
  }
}
