// @vitest-environment happy-dom
import { expect, it } from 'vitest';
import { readRange, shifted, spoken, ticksOf, viewOf } from './range';

const now = Date.parse('2026-11-22T14:20:30Z');
const read = (text: string) => readRange(new URLSearchParams(text), now);
const iso = (r: { from: number; to: number }) => [r.from, r.to].map((ms) => new Date(ms).toISOString().slice(0, 16));

it('ends with this minute unless two instants are given', () => {
  expect(iso(read(''))).toEqual(['2026-11-22T13:21', '2026-11-22T14:21']);
  expect(iso(read('span=6h'))).toEqual(['2026-11-22T08:21', '2026-11-22T14:21']);
  expect(iso(read('from=2026-11-22T05:00:00Z&to=2026-11-22T06:00:00Z'))).toEqual(['2026-11-22T05:00', '2026-11-22T06:00']);
});

it('takes what is no range for the usual one', () => {
  for (const text of ['span=constructor', 'span=9d', 'from=x&to=y', 'from=2026-11-22T06:00:00Z&to=2026-11-22T05:00:00Z', 'from=2026-11-01T00:00:00Z&to=2026-11-22T00:00:00Z']) {
    expect(read(text), text).toEqual(read(''));
  }
});

it('moves by its own length, and back at now it moves with it again', () => {
  const earlier = shifted(read('span=6h'), -1, now);
  expect(iso(earlier)).toEqual(['2026-11-22T02:21', '2026-11-22T08:21']);
  expect(shifted(earlier, 1, now)).toEqual(read('span=6h'));
  expect(viewOf(shifted(earlier, 1, now))).toEqual({ from: undefined, to: undefined, span: '6h' });
  expect(viewOf(earlier).from).toBe('2026-11-22T02:21:00Z');
});

it('is said in words', () => {
  expect(spoken(read('from=2026-11-22T05:00:00Z&to=2026-11-22T06:00:00Z'))).toBe('05:00–06:00 UTC on 22 Nov 2026');
  expect(spoken(read('from=2026-11-22T23:00:00Z&to=2026-11-23T00:00:00Z'))).toBe('23:00–24:00 UTC on 22 Nov 2026');
  expect(spoken(read('from=2026-11-21T23:00:00Z&to=2026-11-22T01:00:00Z'))).toBe('from 21 Nov 2026 23:00 to 22 Nov 2026 01:00 UTC');
});

const start = Date.parse('2026-11-22T05:00:00Z');

it('ticks are round instants, no more than asked for', () => {
  const clocks = (to: number, most: number) => ticksOf(start + 27_000, start + to, most).map((ms) => new Date(ms).toISOString().slice(11, 16));
  expect(clocks(60 * 60_000, 4)).toEqual(['05:15', '05:30', '05:45']);
  expect(ticksOf(start, start + 24 * 60 * 60_000, 9).length).toBeLessThanOrEqual(9);
});
