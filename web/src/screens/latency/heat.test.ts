import { describe, expect, it } from 'vitest';
import type { Bucket, LatencyWindow } from '../../api/latency';
import { heatOf, heightOf, levelOf, levels, marksOf, rowsOf } from './heat';

const from = Date.parse('2026-11-22T05:00:00Z');
const minute = 60_000;
const window = (at: number, buckets: Bucket[], notArrived = 0): LatencyWindow => ({
  start: new Date(from + at * minute).toISOString(), seconds: 60, hop: 'sink', relativeError: 0.09, measured: buckets.reduce((n, b) => n + b.count, 0), negative: 0, notArrived, buckets,
});
const fast: Bucket = { lower: 8, upper: 9.513656920021768, count: 5 };

describe('the heatmap', () => {
  it('loses no event when windows are put into one column', () => {
    const heat = heatOf([window(0, [fast]), window(1, [fast], 3), window(2, [{ ...fast, count: 1 }])], from, from + 4 * minute, 2);
    expect(heat.columns.map((c) => [c.windows.length, c.measured, c.notArrived, c.cells.map((b) => b.count)])).toEqual([[2, 10, 3, [10]], [1, 1, 0, [1]]]);
    expect(heat.most).toBe(10);
  });
  it('keeps what never arrived where nothing was measured', () => {
    const heat = heatOf([window(0, [], 7)], from, from + minute, 60);
    expect(heat.columns[0]).toMatchObject({ notArrived: 7, measured: 0, cells: [] });
  });
  it('gives a bucket that is wider more rows, and those within a millisecond one below all others', () => {
    expect(rowsOf({ lower: 1, upper: 2, count: 1 })).toEqual([0, 4]);
    expect(rowsOf(fast)).toEqual([12, 13]);
    expect(rowsOf({ lower: 0, upper: 0, count: 1 })[1]).toBeLessThanOrEqual(rowsOf({ lower: 0.84, upper: 1, count: 1 })[0]);
  });
  it('is bounded whatever the buckets', () => {
    const heat = heatOf([window(0, [{ lower: 1e300, upper: Number.MAX_VALUE, count: 1 }, { lower: 1e-300, upper: 1e-299, count: 1 }])], from, from + minute, 60);
    expect(heat.rows).toBeLessThan(200);
  });
  it('shows a single event beside a million', () => {
    expect([0, 1, 1_000_000].map((n) => levelOf(n, 1_000_000))).toEqual([0, 1, levels]);
    expect(levelOf(1, 1)).toBe(levels);
  });
  it('marks latencies where they stand', () => {
    const heat = heatOf([window(0, [{ lower: 1, upper: 1.19, count: 1 }, { lower: 861, upper: 1024, count: 1 }])], from, from + minute, 60);
    expect(marksOf(heat)).toEqual([1, 10, 100, 1000]);
    expect(heightOf(heat, 32)).toBeCloseTo(0.5, 5);
  });
});
