import { expect, it } from 'vitest';
import type { LatencyOf, LatencyWhole, Quantile } from '../../api/latency';
import { latencySentence } from './sentence';

const at = (upper: number): Quantile => ({ lower: upper / 2, upper });
const gone: Quantile = { notArrived: true };
const base: LatencyOf = { hop: 'sink', p50: at(9.513), p95: at(64), p99: at(1448.2), max: at(3000), relativeError: 0.0905, measured: 1000, negative: 0, notArrived: 0, buckets: [] };
const say = (more: Partial<LatencyWhole>) => latencySentence({ ...base, ...more }, 'the events').text.replace(/\u202f/g, ' ');

it('gives the p99 as a bound that was not exceeded, and counts what is missing', () => {
  expect(say({})).toBe('99 % of the events were at sink within 1.45 s of production; none is missing.');
  expect(say({ notArrived: 1, max: gone })).toBe('99 % of the events were at sink within 1.45 s of production; 1 of 1 001 has not arrived.');
  expect(say({ notArrived: 7, notArrivedAtMost: true })).toMatch(/; at most 7 of 1 007 have not arrived\.$/);
});

it('says no number for a p99 that has not arrived', () => {
  const few = say({ p99: gone, max: gone, notArrived: 40 });
  expect(few).toBe('More than 1 % of the events have not arrived at sink: 40 of 1 040; half were there within 9.52 ms.');
  expect(few).not.toContain('1.45');
  expect(say({ p50: gone, p95: gone, p99: gone, max: gone, notArrived: 3000 })).toBe('More than half of the events have not arrived at sink: 3 000 of 4 000.');
  expect(say({ p50: gone, p99: gone, measured: 0, notArrived: 5 })).toBe('No latency of the events was measured at sink; 5 have not arrived.');
});

it('keeps clocks that disagree apart, and invents no figure from them', () => {
  expect(say({ negative: 2 })).toMatch(/; none is missing; 2 came before their production, by the clocks\.$/);
  expect(say({ p50: undefined, p99: undefined, max: undefined, measured: 0, negative: 9 })).toBe(
    'How late the events were at sink is not known, since nothing was measured; none is missing; 9 came before their production, by the clocks.');
  expect(say({ p50: undefined, p99: undefined, measured: 0 })).toBe('Nothing of the events was measured at sink, and nothing is missing.');
});

it('is never surer than the windows that it rests on', () => {
  expect(say({ windows: 60, notClosed: 0 })).toBe('99 % of the events were at sink within 1.45 s of production; none is missing.');
  expect(say({ windows: 60, notClosed: 3 })).toBe('99 % of the events were at sink within 1.45 s of production; none is known to be missing; 3 of 60 windows not closed.');
  expect(say({ windows: 60, notClosed: 3, unknown: 1, notArrived: 1 })).toMatch(/; 1 of 1 001 has not arrived; 3 of 60 windows not closed, 1 of them unknown\.$/);
  expect(say({ p50: undefined, p99: undefined, measured: 0, windows: 2, notClosed: 2 })).toBe('Nothing of the events was measured at sink, and nothing is known to be missing; 2 of 2 windows not closed.');
});

it('counts those that arrived without anybody saying when, and an edge of several by what it brought', () => {
  expect(say({ untold: 7, notArrived: 3 })).toMatch(/; 3 of 1 010 have not arrived; of 7 that arrived nobody said when\.$/);
  expect(say({ ofHop: true, arrived: 5, notArrived: 5, p99: gone, max: gone })).toBe('More than 1 % of the events have not arrived at sink: 5 of 10; half were there within 9.52 ms.');
});
