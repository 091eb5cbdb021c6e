// The browser, the server and the one way the tests open a page.
import { createRequire } from 'node:module';
import { readFile } from 'node:fs/promises';
import { chromium } from 'playwright-core';
import { startServer } from '../dev/server.mjs';

const args = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
const axeSource = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export const sizes = { wide: { width: 1440, height: 900 }, narrow: { width: 390, height: 844 } };

/** A server given by address, or null. */
export const given = process.env.ROLLCALL_URL ?? null;

/** The time of the made-up world, so that a test may name its hours. */
export const worldNow = Date.parse('2026-11-22T14:20:30Z');

export async function launch() {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args });
}

export async function serve(options = {}) {
  if (given !== null && Object.keys(options).length === 0) return { url: given, close: () => undefined, push: () => undefined };
  return startServer({ now: () => worldNow, ...options });
}

/** Opens a page that fails the test on any error, blocked content, or request to another host. */
export async function open(browser, server, path, { size = 'wide', theme = 'light', fixed = true } = {}) {
  const context = await browser.newContext({ viewport: sizes[size], colorScheme: theme });
  const page = await context.newPage();
  page.setDefaultTimeout(Number(process.env.E2E_TIMEOUT ?? 30_000));
  const faults = [];
  page.on('pageerror', (e) => faults.push(`error: ${e.message}`));
  page.on('console', (m) => { if (m.type() === 'error' && !/status of (401|403|404|503)/.test(m.text())) faults.push(`console: ${m.text()}`); });
  page.on('request', (r) => { if (new URL(r.url()).origin !== new URL(server.url).origin) faults.push(`outside request: ${r.url()}`); });
  if (fixed && given === null) await page.clock.setSystemTime(worldNow);
  await page.goto(server.url + path);
  return { page, faults, close: () => context.close() };
}

/** What axe finds, one line a finding. */
export async function axe(page) {
  await page.evaluate(axeSource);
  const found = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
  return found.violations.map((v) => `${v.id}: ${v.help} (${v.nodes.slice(0, 3).map((n) => n.target.join(' ')).join('; ')})`);
}
