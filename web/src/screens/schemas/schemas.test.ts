// @vitest-environment happy-dom
import { expect, it } from 'vitest';
import type { SchemaWindow } from '../../api/schemas';
import { columnsOf, columnText, mostBad } from './columns';
import { mostColumns, samplesAddress, stepOf } from './data';
import { schemasSentence, spaced } from './sentence';
import { countsOf, deliveryOf, hopOf, hostsOf, outcomesOf } from './sums';

const from = Date.parse('2026-11-22T05:00:00Z');
const base: SchemaWindow = {
  start: '2026-11-22T05:00:00Z', seconds: 60, windows: 1, notClosed: 0, hop: 'sink', sentence: '', produced: 1000, checked: 1000, ok: 1000, invalid: 0, unknownSchema: 0, undecodable: 0, deprecated: 0,
  edges: [{ edge: 'app..sink', state: 'complete', expected: 1000, delivered: 1000, lost: 0, pending: 0 }], counts: [], sources: [], emitters: [],
};
const at = (minute: number, more: Partial<SchemaWindow> = {}): SchemaWindow => ({ ...base, start: new Date(from + minute * 60_000).toISOString(), ...more });
const plain = (text: string) => text.replace(/\u202f/g, ' ');
const say = (...all: SchemaWindow[]) => schemasSentence(outcomesOf(all), deliveryOf(all), 'the events', 'sink');

it('says how many break their schema, beside how many arrived, and floors both shares', () => {
  const bad = at(1, { ok: 990, invalid: 7, undecodable: 1, unknownSchema: 2, edges: [{ ...base.edges![0]!, state: 'incomplete', delivered: 999, lost: 1 }] });
  expect(plain(say(at(0), bad).text)).toBe(
    'Of 2 000 of the events that sink checked, 7 break their schema, 1 cannot be decoded and 2 are of an unknown schema; 99.500 % are valid; 99.950 % were delivered, 1 lost.');
  expect(say(at(0), bad).paint).toMatchObject({ shape: 'cross', label: 'Invalid' });
  expect(plain(say(at(0, { checked: 10_000_000, ok: 9_999_999, invalid: 1 })).text)).toContain('; 99.999 % are valid');
});

it('says that all are valid only where all are, and of a deprecated version that it is to go', () => {
  expect(plain(say(at(0)).text)).toBe('All 1 000 of the events that sink checked are valid; 100 % were delivered.');
  expect(plain(say(at(0, { ok: 995, deprecated: 5 })).text)).toBe('All 1 000 of the events that sink checked are valid; 5 use a deprecated version; 100 % were delivered.');
  expect(say(at(0, { ok: 995, deprecated: 5 })).paint?.shape).toBe('hatch');
  for (const k of ['invalid', 'undecodable', 'unknownSchema'] as const) expect(say(at(0, { ok: 999, [k]: 1 })).text, k).not.toMatch(/^All/);
  expect(plain(say(at(0, { ok: 900, deprecated: 99, invalid: 1 })).text)).toContain('; 99.900 % are valid; 99 use a deprecated version');
  expect(say(at(0, { checked: 0, ok: 0 }))).toMatchObject({ paint: { tone: 'absent' } });
});

it('adds the same reason over windows, keeps what is not named, and puts the worst first', () => {
  const ok = { outcome: 'OK', schema: 'orders', version: '7', events: 900 };
  const bad = { outcome: 'INVALID', schema: 'orders', version: '7', reason: '/amount', events: 3 };
  const all = countsOf([at(0, { counts: [ok, bad] }), at(1, { counts: [ok, { ...bad, events: 4 }, { outcome: 'INVALID', events: 9, other: 5 }] })]);
  expect(all.map((c) => [c.outcome, c.reason, c.events, c.other])).toEqual([['INVALID', undefined, 9, 5], ['INVALID', '/amount', 7, undefined], ['OK', undefined, 1800, undefined]]);
  const unnamed = { outcome: 'INVALID', events: 2 };
  expect(countsOf([at(0, { counts: [unnamed, { ...unnamed, other: 3 }] })]), 'what has no reason is not what has others').toHaveLength(2);
  expect(hostsOf([{ host: 'a', events: 1 }, { host: 'b', events: 3 }, { host: 'a', events: 4 }, { events: 2 }]).map((h) => [h.host, h.events])).toEqual([['a', 5], ['b', 3], [undefined, 2]]);
});

it('shows the hop that finds most, unless the address names one', () => {
  const all = [at(0, { hop: 'app' }), at(0, { hop: 'sink', invalid: 1 }), at(1, { hop: 'app', deprecated: 90 })];
  expect(hopOf(all, null)).toBe('sink');
  expect(hopOf(all, 'app')).toBe('app');
  expect(hopOf([], null)).toBeUndefined();
});

it('loses no violation when windows are put into one column', () => {
  const all = columnsOf([at(0, { invalid: 3 }), at(1, { invalid: 4, edges: [{ ...base.edges![0]!, lost: 2 }] }), at(3, { deprecated: 1 })], from, from + 240_000, 2);
  expect(all.map((c) => [c.sums.invalid, c.sums.deprecated, c.delivery.lost])).toEqual([[7, 0, 2], [0, 1, 0]]);
  expect(mostBad(all)).toBe(7);
  expect(plain(columnText(all[0]!))).toBe('05:00–05:02 UTC: 2 000 events checked, 7 invalid; 2 not delivered');
  expect(columnText(columnsOf([], from, from + 60_000, 2)[0]!)).toBe('05:00–05:01 UTC: nothing checked');
});

it("sets the server's numbers as the page's", () => {
  expect(spaced('99.95 % delivered (4 201 900 of 4 201 933), 0.3 % break version 7 (12 of 980)')).toBe(
    '99.95\u202f% delivered (4\u202f201\u202f900 of 4\u202f201\u202f933), 0.3\u202f% break version 7 (12 of 980)');
});

it('asks for the samples of a reason as a count has it', () => {
  const asked = new URL(samplesAddress({ stream: 'orders', from: 0, to: 60_000, hop: 'relay', reason: '/amount: expected number' }), 'http://x').searchParams;
  expect(asked.get('reason')).toBe('/amount: expected number');
  expect(new URL(samplesAddress({ stream: 'orders', from: 0, to: 60_000, hop: 'relay' }), 'http://x').searchParams.has('reason')).toBe(false);
});

it('shows no tick over windows that are not closed, and counts them', () => {
  const over = (s: object) => schemasSentence(outcomesOf([at(0)]), deliveryOf([at(0)]), 'the events', 'sink', s);
  expect(over({ windows: 60, notClosed: 0 }).paint?.shape).toBe('tick');
  expect(over({ windows: 60, notClosed: 3 }).paint?.shape).toBe('hatch');
  expect(over({ windows: 60, notClosed: 3, unknown: 1 }).paint?.shape).toBe('question');
  expect(plain(over({ windows: 60, notClosed: 3, unknown: 1 }).text)).toMatch(/; 100 % were delivered; 3 of 60 windows not closed, 1 of them unknown\.$/);
  const bad = at(0, { invalid: 1, ok: 999 });
  expect(schemasSentence(outcomesOf([bad]), deliveryOf([bad]), 'the events', 'sink', { windows: 9, notClosed: 1 }).paint?.shape).toBe('cross');
});

it('asks for no more rows than the picture has columns, however long the time', () => {
  const hour = 3_600_000;
  expect(stepOf(hour)).toBeUndefined();
  for (const hours of [3, 24, 24 * 7]) expect((hours * 3600) / stepOf(hours * hour)!).toBeLessThanOrEqual(mostColumns);
});
