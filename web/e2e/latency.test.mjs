// Latency, of one window and over time, in a real browser.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { latencyIn } from '../dev/signals.mjs';
import { serve, worldNow } from './browser.mjs';
import { everyView, made, sound, world } from './made.mjs';

const hour = 'from=2026-11-22T12:00:00Z&to=2026-11-22T13:00:00Z';
const { visit, url } = world();

const column = (page, name) => page.getByRole('list', { name: 'Columns of the heatmap' }).getByRole('link', { name });

test('the page answers end to end, an edge has its own heatmap, and a column leads to its window', made, async (t) => {
  const { page, faults, heading } = await visit(t, `/latency/flights?${hour}`);
  await heading(/^99.% of the events of flights produced 12:00–13:00 UTC on 22 Nov 2026 were at sink within .* of production; 312 of .* have not arrived\.$/);
  await page.getByRole('link', { name: 'app → relay', exact: true }).click();
  await heading(/were at relay within .* 300 of .* have not arrived/);
  assert.equal(await page.locator('.heat-columns .late').count(), 2);
  await column(page, /^12:31–12:32 UTC: p50 .*, max not arrived; .* measured, 150 not arrived$/).click();
  await page.waitForURL(/\/w\/flights\/2026-11-22T12:31:00Z\?edge=app\.\.relay/);
  const section = page.getByRole('region', { name: 'Latency' });
  await section.getByText(/^99.% of the window's events were at relay within .*; 150 of .* have not arrived\.$/).waitFor();
  assert.deepEqual(faults, []);
});

test('what never arrived is in the table of the heatmap, as words and as a number', made, async (t) => {
  const { page } = await visit(t, `/latency/flights?${hour}&of=app..relay`);
  await page.getByText(/View the heatmap as a table/).click();
  const row = page.getByRole('row').filter({ hasText: '12:31–12:32' });
  assert.match(await row.textContent(), /not arrived.*150/);
  const others = page.getByRole('row').filter({ hasText: '12:30–12:31' });
  assert.doesNotMatch(await others.textContent(), /not arrived/);
});

test('a percentile that has not arrived is no number', made, async (t) => {
  const { page, heading } = await visit(t, '/latency/telemetry?from=2026-11-22T07:40:00Z&to=2026-11-22T08:00:00Z');
  await heading(/^More than 1.% of the events of telemetry .* have not arrived at lake: 6.200 of .*; half were there within/);
  const cells = await page.getByRole('row').filter({ hasText: 'lake, end to end' }).getByRole('cell').allTextContents();
  assert.deepEqual(cells.slice(2, 4), ['not arrived', 'not arrived']);
  await page.goto(url(`/h/telemetry/2026-11-22T07?show=all`));
  const window = page.getByRole('row').filter({ hasText: '07:45–07:46' }).filter({ hasText: 'agent → lake' });
  await window.getByText('not arrived').waitFor();
});

test('a clock that is behind is told apart from the figures', made, async (t) => {
  const { page, heading } = await visit(t, `/latency/orders?${hour}`);
  await heading(/360 came before their production, by the clocks/);
  await page.getByRole('row', { name: /web-17/ }).getByText('behind that of a producer, or a producer ahead').waitFor();
});

test('the heatmap is one stop for Tab, and the arrow keys move in it', made, async (t) => {
  const { page } = await visit(t, `/latency/flights?${hour}`);
  await column(page, /^12:59/).focus();
  const focused = () => page.evaluate(() => document.activeElement.getAttribute('aria-label'));
  await page.keyboard.press('ArrowLeft');
  assert.match(await focused(), /^12:58–12:59/);
  await page.keyboard.press('Home');
  assert.match(await focused(), /^12:00–12:01/);
  assert.equal(await page.locator('.heat-columns a[tabindex="0"]').count(), 1);
  await page.keyboard.press('Enter');
  await page.waitForURL(/\/w\/flights\/2026-11-22T12:00:00Z/);
});

test('a column of several windows leads to these alone, and [ moves by one range', made, async (t) => {
  const { page, heading } = await visit(t, '/latency/flights?span=24h');
  await heading(/have not arrived/);
  await column(page, /12 windows/).first().click();
  await page.waitForURL(/from=.*&to=/);
  await heading(/produced 14:21–14:33 UTC on 21 Nov 2026/);
  await page.keyboard.press('[');
  await heading(/produced 14:09–14:21 UTC on 21 Nov 2026/);
});

test('a time with too many windows for a heatmap has its figures all the same, and says so', made, async (t) => {
  const own = await serve({ latency: (s, q) => { const all = latencyIn(s, Date.parse(q.get('from')), Date.parse(q.get('from')) + 600_000, worldNow); return { ...all, items: all.items.map((w) => ({ ...w, seconds: 10 })), next: 'more' }; } });
  t.after(() => own.close());
  const { page, heading } = await visit(t, '/latency/flights?span=24h', {}, own);
  await heading(/^99.% of the events of flights/);
  await page.getByText(/too many windows in this time for a heatmap/).waitFor();
  assert.equal(await page.locator('.heat').count(), 0);
});

test('a stream without events, one that is not there, and an edge that is not there say so', made, async (t) => {
  const { page, heading } = await visit(t, '/latency/signups');
  await heading(/^No hop measured how late the events of signups produced .* were\.$/);
  await page.getByRole('row', { name: /nothing delivered in 7 days/ }).first().waitFor();
  await page.goto(url(`/latency/nobody`));
  await heading('There is no stream nobody: no report has named it.');
  await page.goto(url(`/latency/flights?${hour}&of=no..where`));
  await heading(/^flights has no edge or hop “no\.\.where”/);
});

test('a headline over windows that are not closed counts them', made, async (t) => {
  const { heading } = await visit(t, '/latency/flights');
  await heading(/were at sink within .*; \d+ of 60 windows not closed\.$/);
});

test('an edge on which nothing came for a week says so', made, async (t) => {
  const silent = { edge: 'app..relay', nothingSince: '2026-11-15T14:20:30Z', ageMillis: 604_800_000, ageAtLeastMillis: 604_800_000 };
  const own = await serve({ latency: (s, q) => ({ ...latencyIn(s, Date.parse(q.get('from')), Date.parse(q.get('to')), worldNow), freshness: [silent] }) });
  t.after(() => own.close());
  const { page } = await visit(t, `/latency/flights?${hour}`, {}, own);
  await page.getByRole('row', { name: /app → relay nothing delivered in 7 days/ }).waitFor();
});

test('an edge of several says what is its own', made, async (t) => {
  const shared = (w) => (w.edge === 'relay..sink' ? { ...w, ofHop: true, arrived: 777 } : w);
  const own = await serve({ latency: (s, q) => { const all = latencyIn(s, Date.parse(q.get('from')), Date.parse(q.get('to')), worldNow); return { ...all, items: all.items.map(shared), whole: all.whole.map(shared) }; } });
  t.after(() => own.close());
  const { page } = await visit(t, `/latency/flights?${hour}`, {}, own);
  await page.getByText(/the times of relay → sink are of all that the hop took over/).waitFor();
  assert.match(await page.getByRole('row').filter({ hasText: 'relay → sink' }).first().textContent(), /777/);
});

everyView(({ size, theme }) => {
  test(`axe finds nothing on the latency page and nothing is wider than it: ${size}, ${theme}`, made, async (t) => {
    const { page, faults } = await visit(t, `/latency/flights?${hour}`, { size, theme });
    await page.getByRole('list', { name: 'Columns of the heatmap' }).waitFor();
    await page.getByText(/View the heatmap as a table/).click();
    await sound(page, '/latency/flights');
    assert.deepEqual(faults, []);
  });
});
