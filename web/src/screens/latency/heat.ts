// The heatmap as data: columns of time, each a distribution over rows of equal ratio. Buckets are added, never percentiles.
import type { Bucket, LatencyWindow } from '../../api/latency';

/** A bucket in a column: rows from low to below high, counted from the bottom. */
export interface HeatCell { low: number; high: number; count: number }

export interface Column {
  /** Unix ms. */
  from: number;
  to: number;
  windows: LatencyWindow[];
  cells: HeatCell[];
  measured: number;
  negative: number;
  notArrived: number;
}

export interface Heat {
  columns: Column[];
  /** The latency at the bottom and how many rows there are above it. */
  lowest: number;
  rows: number;
  /** The most events in one cell. */
  most: number;
}

const perOctave = 4; // rows are 2^(1/4) high, as the API's buckets are at the finest
const bottom = -2; // under 1 ms
const ceiling = 168; // beyond 100 years
const rowAt = (ms: number) => Math.min(ceiling, Math.max(bottom + 1, Math.round(perOctave * Math.log2(ms))));

/** Where a latency stands between bottom and top, 0 to 1. */
export const heightOf = (h: Heat, ms: number): number => (perOctave * Math.log2(ms) - h.lowest) / h.rows;

/** Windows of one way put into at most so many columns of whole windows, the first one at from. */
export function heatOf(windows: LatencyWindow[], from: number, to: number, mostColumns: number): Heat {
  const step = Math.min(...windows.map((w) => w.seconds * 1000), to - from);
  const width = step * Math.ceil((to - from) / step / mostColumns);
  const columns = Array.from({ length: Math.ceil((to - from) / width) }, (_, i) => {
    const start = from + i * width;
    return columnOf(start, Math.min(start + width, to), windows.filter((w) => within(w, start, start + width)));
  });
  const cells = columns.flatMap((c) => c.cells);
  const lowest = Math.min(0, ...cells.map((c) => c.low));
  const top = Math.max(lowest + perOctave, ...cells.map((c) => c.high));
  return { columns, lowest, rows: top - lowest, most: Math.max(0, ...cells.map((c) => c.count)) };
}

const within = (w: LatencyWindow, from: number, to: number) => Date.parse(w.start) >= from && Date.parse(w.start) < to;

function columnOf(from: number, to: number, windows: LatencyWindow[]): Column {
  const sum = (of: (w: LatencyWindow) => number) => windows.reduce((n, w) => n + of(w), 0);
  const found = new Map<string, HeatCell>();
  for (const b of windows.flatMap((w) => w.buckets ?? [])) {
    const [low, high] = rowsOf(b);
    const cell = found.get(`${low} ${high}`) ?? { low, high, count: 0 };
    cell.count += b.count;
    found.set(`${low} ${high}`, cell);
  }
  return { from, to, windows, cells: [...found.values()], measured: sum((w) => w.measured), negative: sum((w) => w.negative), notArrived: sum((w) => w.notArrived) };
}

/** What came within the millisecond of its production stands in the row under 1 ms. */
export function rowsOf(b: Bucket): [low: number, high: number] {
  if (b.upper <= 0) return [bottom, bottom + 1];
  const high = rowAt(b.upper);
  return [b.lower <= 0 ? high - 1 : Math.min(rowAt(b.lower), high - 1), high];
}

export const levels = 6;

/** How dark a cell is, 1 to 6 by the logarithm of its count; one event is never invisible. */
export function levelOf(count: number, most: number): number {
  if (count <= 0) return 0;
  if (most <= 1) return levels;
  return Math.min(levels, 1 + Math.floor((levels - 1) * (Math.log(count) / Math.log(most)) + 1e-9));
}

/** The latencies to write beside the rows: powers of ten, and 2 and 5 times these where there is room. */
export function marksOf(h: Heat): number[] {
  const fine = h.rows < 16;
  const all = Array.from({ length: 11 }, (_, i) => 10 ** i).flatMap((p) => (fine ? [p, 2 * p, 5 * p] : [p]));
  return all.filter((ms) => heightOf(h, ms) >= 0 && heightOf(h, ms) <= 1);
}
