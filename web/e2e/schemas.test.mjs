// Schemas and samples, of one window and over time, in a real browser.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { everyView, made, sound, world } from './made.mjs';

const hour = 'from=2026-11-22T11:00:00Z&to=2026-11-22T12:00:00Z';
const { visit, url } = world();

const column = (page, name) => page.getByRole('list', { name: 'Windows over time' }).getByRole('link', { name });

test('the page says how many break their schema, whose they are, and leads to the window', made, async (t) => {
  const { page, faults, heading } = await visit(t, `/schemas/orders?${hour}`);
  await heading(/^Of .* of the events of orders produced 11:00–12:00 UTC on 22 Nov 2026 that warehouse checked, 181 break their schema; 99\.9.* are valid; 20 use a deprecated version; 100.% were delivered\.$/);
  assert.equal(await page.locator('.bad-INVALID:not(.swatch)').count(), 30);
  await page.getByRole('row', { name: /web-17/ }).getByText('181').waitFor();
  await page.getByRole('row').filter({ hasText: 'orders' }).filter({ hasText: '11:10:00' }).filter({ hasText: '20' }).waitFor();
  await column(page, /^11:12–11:13 UTC: .* checked, 8 invalid$/).click();
  await page.waitForURL(/\/w\/orders\/2026-11-22T11:12:00Z\?edge=agent\.\.warehouse/);
  const section = page.getByRole('region', { name: 'Schemas' });
  await section.getByText(/^warehouse: .* delivered, 8 break version 7\.$/).waitFor();
  await section.getByText('"amount":"<string 4>"').waitFor();
  assert.deepEqual(faults, []);
});

test('samples are text whatever is in them, and a reason shows only its own', made, async (t) => {
  const { page, faults } = await visit(t, `/schemas/orders?${hour}`);
  await page.getByText('<img src=x onerror=alert(1)>').first().waitFor();
  assert.equal(await page.locator('main img').count(), 0);
  await page.getByRole('link', { name: '/amount: expected number' }).click();
  await page.waitForURL(/reason=/);
  await page.getByRole('heading', { name: 'Samples of warehouse: /amount: expected number' }).waitFor();
  assert.equal(await page.locator('.samples > li').count(), 6);
  await page.goto(url(`/schemas/orders?${hour}&reason=other&schema=orders`));
  await page.getByText(/^None is kept/).waitFor();
  assert.deepEqual(faults, []);
});

test('the picture is a table too, and the arrow keys move in it', made, async (t) => {
  const { page } = await visit(t, `/schemas/orders?${hour}`);
  await column(page, /^11:59/).focus();
  await page.keyboard.press('Home');
  assert.match(await page.evaluate(() => document.activeElement.getAttribute('aria-label')), /^11:00–11:01 UTC: .* all valid/);
  await page.getByText(/^View as table, 60 windows/).click();
  await page.getByRole('row').filter({ hasText: '11:12–11:13' }).filter({ hasText: 'break version 7' }).waitFor();
});

test('a stream that nobody checks, a window that nobody checked, and a stream that is not there say so', made, async (t) => {
  const { page, heading } = await visit(t, `/schemas/flights?${hour}`);
  await heading(/^No hop checked the schemas of the events of flights produced 11:00–12:00 UTC/);
  await page.goto(url(`/schemas/nobody`));
  await heading('There is no stream nobody: no report has named it.');
  await page.goto(url(`/w/flights/2026-11-22T12:09:00Z?edge=relay..sink`));
  await page.getByText('sink checked no schema in this window.').waitFor();
});

test('a day of schemas is one picture of few rows, whose columns lead to shorter times', made, async (t) => {
  const { page, heading } = await visit(t, '/schemas/orders?from=2026-11-21T12:00:00Z&to=2026-11-22T12:00:00Z');
  const asked = [];
  page.on('request', (r) => { if (r.url().includes('/schemas?')) asked.push(r.url()); });
  await heading(/181 break their schema/);
  await page.reload();
  await heading(/181 break their schema/);
  assert.ok(asked.length > 0 && asked.every((u) => u.includes('step=1200') && !u.includes('cursor=')), asked.join('\n'));
  await page.getByText(/^View as table, 1.\d{3} windows in 72 rows/).waitFor();
  await column(page, /^11:00–11:20 UTC: .* invalid/).click();
  await page.waitForURL(/from=.*&to=/);
  await heading(/produced 11:00–11:20 UTC on 22 Nov 2026/);
});

everyView(({ size, theme }) => {
  test(`axe finds nothing where schemas are told of, and nothing is wider than the page: ${size}, ${theme}`, made, async (t) => {
    const { page, faults } = await visit(t, `/schemas/orders?${hour}`, { size, theme });
    for (const path of [`/schemas/orders?${hour}`, '/w/orders/2026-11-22T11:12:00Z?edge=agent..warehouse']) {
      await page.goto(url(path));
      await page.locator('.samples > li').first().waitFor();
      await sound(page, path);
    }
    assert.deepEqual(faults, []);
  });
});
