import { expect, it } from 'vitest';
import { atMost, errorText, figure, p99, wayOf, wayText } from './latency';

const plain = (text: string) => text.replace(/\u202f/g, ' ');
const of = (hop: string, more = {}) => ({ hop, relativeError: 0, measured: 1, negative: 0, notArrived: 0, buckets: [], ...more });

it('a bound is never written smaller than it is', () => {
  expect([0, 0.2, 1, 9.513, 12.01, 152.2, 999.2, 1000, 1448.15, 59_999, 119_999, 120_000, 7_200_001].map((ms) => plain(atMost(ms)))).toEqual(
    ['< 1 ms', '0.2 ms', '1 ms', '9.52 ms', '12.1 ms', '153 ms', '1000 ms', '1 s', '1.45 s', '60 s', '120 s', '2 min', '2.01 h']);
});

it('a figure is a number only where one was measured', () => {
  expect(plain(figure({ lower: 8, upper: 9.513 }))).toBe('9.52 ms');
  expect(figure({ notArrived: true })).toBe('not arrived');
  expect(figure({ notArrived: true, upper: 3 })).toBe('not arrived');
  expect(figure(undefined)).toBe('–');
  expect(figure({})).toBe('–');
});

it('the error bound is rounded up', () => {
  expect([0, 0.0905077, 0.1].map((e) => plain(errorText(e)))).toEqual(['0 %', '9.1 %', '10 %']);
});

it('an address without a way means end to end, and one that is not there is none', () => {
  const all = [of('relay', { edge: 'app..relay' }), of('sink', { endToEnd: true }), of('relay')];
  expect(wayOf(all, null)).toBe(all[1]);
  expect(wayOf([all[0]!], null)).toBe(all[0]);
  expect(wayOf(all, 'relay')).toBe(all[2]);
  expect(wayOf(all, 'nowhere')).toBeUndefined();
  expect(all.map(wayText)).toEqual(['app → relay', 'sink, end to end', 'relay']);
});

it("a window's p99 is a number only while few are missing", () => {
  const l = { p50: 1, p95: 2, p99: 3, max: 4 };
  expect(plain(p99(l))).toBe('3 ms');
  expect(plain(p99({ ...l, notArrived: 2, beyond: ['max'] }))).toBe('3 ms');
  expect(p99({ ...l, notArrived: 50, beyond: ['p99', 'max'] })).toBe('not arrived');
  expect(p99(undefined)).toBe('–');
});
