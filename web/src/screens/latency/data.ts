import { useAnswer, type Answer } from '../../api/answer';
import { getPages } from '../../api/client';
import type { Clock, Freshness, LatencyOf, LatencyPage, LatencyWindow } from '../../api/latency';
import { useRefresh } from '../../live/connection';
import { viewOf, type Range } from '../../parts/range';
import { hourMs, stamp } from '../../text/time';

/** All that was told of a range, and the range it was asked for. */
export interface Told { range: Range; windows: LatencyWindow[]; whole: LatencyOf[]; freshness: Freshness[]; clocks: Clock[] }

const often = 5_000;
const seldom = 60_000; // a long range is much to ask for

/** What was measured of a stream. A range that moves is asked for anew as verdicts change, and shown until the answer is there. */
export function useLatency(stream: string, range: Range): Answer<Told> {
  const refresh = useRefresh((w) => w.stream === stream && Date.parse(w.start) >= range.from && Date.parse(w.start) < range.to, range.to - range.from > hourMs ? seldom : often);
  return useAnswer(`latency ${stream} ${JSON.stringify(viewOf(range))}`, (signal) => askLatency(stream, range, signal), refresh);
}

export async function askLatency(stream: string, range: Range, signal: AbortSignal): Promise<Told> {
  const { first, items } = await getPages<LatencyPage>(['streams', stream, 'latency'], { from: stamp(range.from), to: stamp(range.to) }, signal);
  return { range, windows: items, whole: first.whole ?? [], freshness: first.freshness ?? [], clocks: first.clocks ?? [] };
}
