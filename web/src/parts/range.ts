// A range of time as an address has it: a length up to now, which moves, or two instants, which stand.
import type { View } from '../router/router';
import { clock, date, dayMs, floorDay, hourMs, minuteMs, stamp } from '../text/time';

export const lengths = { '15m': 15 * minuteMs, '1h': hourMs, '6h': 6 * hourMs, '24h': dayMs } as const;
export type Length = keyof typeof lengths;

export interface Range {
  /** Unix ms; to is exclusive. */
  from: number;
  to: number;
  /** Of a range that ends now and moves with it. */
  length: Length | undefined;
}

const usual: Length = '1h';
const isLength = (text: string | null): text is Length => text !== null && Object.hasOwn(lengths, text);

/** Reads the view: from and to where both are instants at most a day apart, else the length up to the end of this minute. */
export function readRange(query: URLSearchParams, now: number): Range {
  const [from, to] = [Date.parse(query.get('from') ?? ''), Date.parse(query.get('to') ?? '')];
  if (from < to && to - from <= dayMs) return { from, to, length: undefined };
  const asked = query.get('span');
  const length = isLength(asked) ? asked : usual;
  const end = Math.floor(now / minuteMs) * minuteMs + minuteMs;
  return { from: end - lengths[length], to: end, length };
}

/** What an address says of a range. */
export function viewOf(r: Range): View {
  if (r.length === undefined) return { from: stamp(r.from), to: stamp(r.to), span: undefined };
  return { from: undefined, to: undefined, span: r.length === usual ? undefined : r.length };
}

/** The range moved by its own length; one that would reach beyond now is the one up to now. */
export function shifted(r: Range, by: -1 | 1, now: number): Range {
  const long = r.to - r.from;
  const [from, to] = [r.from + by * long, r.to + by * long];
  if (to <= now) return { from, to, length: undefined };
  return readRange(new URLSearchParams({ span: Object.entries(lengths).find(([, ms]) => ms === long)?.[0] ?? usual }), now);
}

/** "05:00–06:00 UTC on 22 Nov 2026", as it stands in a sentence. */
export function spoken({ from, to }: Range): string {
  const end = to % dayMs === 0 ? '24:00' : clock(to);
  if (floorDay(from) === floorDay(to - 1)) return `${clock(from)}–${end} UTC on ${date(from)}`;
  return `from ${date(from)} ${clock(from)} to ${date(to)} ${clock(to)} UTC`;
}

const steps = [10_000, 30_000, 60_000, 120_000, 300_000, 600_000, 900_000, 1_800_000, 3_600_000, 7_200_000, 10_800_000, 14_400_000];

/** Round instants between from and to, at most so many. */
export function ticksOf(from: number, to: number, most: number): number[] {
  const step = steps.find((s) => (to - from) / s <= most) ?? steps.at(-1)!;
  const first = Math.ceil(from / step) * step;
  return Array.from({ length: Math.max(0, Math.ceil((to - first) / step)) }, (_, i) => first + i * step);
}
