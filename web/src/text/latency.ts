// Latencies as text. What is shown never says less than was measured, and what has not arrived is no number.
import type { Distribution, LatencyOf, Quantile } from '../api/latency';
import type { Latency } from '../api/types';
import { arrow } from './edges';

const thin = '\u202f';

/** Three significant digits, rounded up: 9.513 is 9.52. */
function up(n: number): string {
  const digits = n >= 100 ? 0 : n >= 10 ? 1 : 2;
  const scale = 10 ** digits;
  return String(Math.ceil(n * scale - 1e-6) / scale);
}

/** An upper bound for people, rounded up: < 1 ms, 9.52 ms, 1.25 s, 3.4 min. */
export function atMost(ms: number): string {
  if (ms <= 0) return `<${thin}1${thin}ms`;
  if (ms < 1000) return `${up(ms)}${thin}ms`;
  if (ms < 120_000) return `${up(ms / 1000)}${thin}s`;
  if (ms < 7_200_000) return `${up(ms / 60_000)}${thin}min`;
  return `${up(ms / 3_600_000)}${thin}h`;
}

/** Whether a figure is a number; one that has not arrived is none. */
export const arrived = (q: Quantile | undefined): q is Quantile & { upper: number } => q?.notArrived !== true && typeof q?.upper === 'number';

/** A figure as text: its upper bound, "not arrived", or a dash where nothing was measured. */
export function figure(q: Quantile | undefined): string {
  if (arrived(q)) return atMost(q.upper);
  return q?.notArrived === true ? 'not arrived' : '–';
}

/** How many events a distribution speaks of. */
export const total = (d: Distribution): number => came(d) + d.notArrived;

/** How many of them arrived, whether or not anybody told when. */
export const came = (d: Distribution): number => d.arrived ?? d.measured + d.negative + (d.untold ?? 0);

/** The bound of the figures' error, rounded up to tenths of a percent. */
export const errorText = (share: number): string => `${Math.ceil(share * 1000 - 1e-9) / 10}${thin}%`;

/** The word that names a way in an address: the edge, or the hop. */
export const wayKey = (w: LatencyOf): string => w.edge ?? w.hop;

/** app → relay; sink, end to end; relay. */
export function wayText(w: LatencyOf): string {
  if (w.edge !== undefined) return arrow(w.edge);
  return w.endToEnd === true ? `${w.hop}, end to end` : w.hop;
}

/** The way an address names; without one, end to end, else the first there is. */
export function wayOf<W extends LatencyOf>(all: W[], key: string | null): W | undefined {
  if (key !== null) return all.find((w) => wayKey(w) === key);
  return all.find((w) => w.endToEnd === true) ?? all[0];
}

/** The p99 in a row of a window, which is no number where too many have not arrived. */
export function p99(l: Latency | undefined): string {
  if (l === undefined) return '–';
  return (l.beyond ?? []).includes('p99') ? 'not arrived' : atMost(l.p99);
}
