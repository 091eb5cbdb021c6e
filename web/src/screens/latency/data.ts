import { useAnswer, type Answer } from '../../api/answer';
import { getPages } from '../../api/client';
import type { Clock, Freshness, LatencyPage, LatencyWhole, LatencyWindow } from '../../api/latency';
import { useRefresh } from '../../live/connection';
import { viewOf, type Range } from '../../parts/range';
import { hourMs, stamp } from '../../text/time';

/** All that was told of a range, and the range it was asked for. Without windows where these are too many to show. */
export interface Told { range: Range; windows: LatencyWindow[] | undefined; whole: LatencyWhole[]; freshness: Freshness[]; clocks: Clock[] }

const often = 5_000;
const seldom = 60_000; // a long range is much to ask for

/** What was measured of a stream. A range that moves is asked for anew as verdicts change, and shown until the answer is there. */
export function useLatency(stream: string, range: Range): Answer<Told> {
  const refresh = useRefresh((w) => w.stream === stream && Date.parse(w.start) >= range.from && Date.parse(w.start) < range.to, range.to - range.from > hourMs ? seldom : often);
  return useAnswer(`latency ${stream} ${JSON.stringify(viewOf(range))}`, (signal) => askLatency(stream, range, signal), refresh);
}

const mostRows = 10_000;

/** How many rows a range has, by the first page of them. */
export function rowsOf(page: LatencyPage, long: number): number {
  const shortest = Math.min(...(page.items ?? []).map((w) => w.seconds * 1000), long);
  return (long / shortest) * (page.whole ?? []).length;
}

async function askLatency(stream: string, range: Range, signal: AbortSignal): Promise<Told> {
  const tooMany = (page: LatencyPage) => rowsOf(page, range.to - range.from) > mostRows;
  const { first, items } = await getPages<LatencyPage>(['streams', stream, 'latency'], { from: stamp(range.from), to: stamp(range.to) }, signal, tooMany);
  const windows = first.next !== undefined && tooMany(first) ? undefined : items;
  return { range, windows, whole: first.whole ?? [], freshness: first.freshness ?? [], clocks: first.clocks ?? [] };
}
