// What holds over any server, the real one too: set ROLLCALL_URL to test it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, open, serve } from './browser.mjs';

let browser;
let server;
before(async () => { browser = await launch(); server = await serve(); });
after(async () => { await browser?.close(); server?.close(); });

const answered = (page) => page.waitForFunction(() => document.querySelector('h1') && !document.querySelector('h1').textContent.startsWith('Asking'));

test('the first page answers, is live, and every step down to a UID has an address of its own', async (t) => {
  const { page, faults, close } = await open(browser, server, '/');
  t.after(close);
  await answered(page);
  await page.getByText(/^(Live|Polling)$/).waitFor();
  const hours = page.locator('[role=grid] a:not(.tone-absent)');
  if (await hours.count() === 0) { t.diagnostic('no verdicts yet'); return; }
  await hours.last().click();
  await page.waitForURL(/\/h\//);
  await answered(page);
  await page.locator('[role=grid] a:not(.tone-absent)').first().click();
  await page.waitForURL(/\/w\//);
  await answered(page);
  const before = await page.locator('h1').textContent();
  await page.reload();
  await answered(page);
  assert.equal((await page.locator('h1').textContent()).split(' ')[0], before.split(' ')[0]);
  await page.getByRole('heading', { name: 'Evidence' }).waitFor();
  const uid = page.locator('#names a.uid').first();
  if (await uid.count() > 0) {
    await uid.click();
    await page.waitForURL(/\/uid\//);
    await answered(page);
  }
  assert.deepEqual(faults, []);
});

test('the page carries a policy that forbids inline code, and hashed files may be kept', async (t) => {
  const { page, close } = await open(browser, server, '/');
  t.after(close);
  const answer = await page.request.get(`${server.url}/`);
  assert.match(answer.headers()['content-security-policy'], /default-src 'self'/);
  assert.doesNotMatch(answer.headers()['content-security-policy'], /unsafe/);
  assert.equal(answer.headers()['x-content-type-options'], 'nosniff');
});
