// @vitest-environment happy-dom
import { expect, it } from 'vitest';
import { lines } from './WindowGrid';

const from = Date.parse('2026-11-22T05:00:00Z');
const at = (...clocks: string[]) => clocks.map((c) => ({ start: `2026-11-22T${c}Z` }));
const drawn = (seconds: number, ...clocks: string[]) => lines(from, seconds * 1000, at(...clocks)).map((ms) => new Date(ms).toISOString().slice(11, 16));

it('draws the whole hour of minutes and longer windows', () => {
  expect(drawn(60, '05:30:00')).toEqual(['05:00', '06:00']);
  expect(drawn(600, '05:30:00')).toEqual(['05:00', '06:00']);
  expect(drawn(3600, '05:00:00')).toEqual(['05:00', '06:00']);
});

it('draws of short windows the lines from the first verdict to the last', () => {
  expect(drawn(10, '05:30:50')).toEqual(['05:30', '05:40']);
  expect(drawn(10, '05:09:50', '05:30:00')).toEqual(['05:00', '05:40']);
  expect(drawn(10, '05:00:00', '05:59:50')).toEqual(['05:00', '06:00']);
});
