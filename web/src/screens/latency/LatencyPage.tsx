import { wayOf, wayKey } from '../../text/latency';
import { now } from '../../live/connection';
import { RangeTools } from '../../parts/RangeTools';
import { readRange, spoken } from '../../parts/range';
import { Trouble } from '../../parts/Trouble';
import { Trail, Verdict, type Sentence } from '../../parts/Verdict';
import { hourPath, hoursPath, withView } from '../../router/router';
import { absent } from '../../state/states';
import { hourKey } from '../../text/time';
import { Objectives } from '../objectives/Objectives';
import { Clocks } from './Clocks';
import { useLatency, type Told } from './data';
import { Freshest } from './Freshest';
import { Heatmap } from './Heatmap';
import { latencySentence } from './sentence';
import { Ways } from './Ways';
import { WindowRows } from './WindowRows';

/** How late the events of a stream are, over a range of time: end to end, at each hop, and what has not arrived. */
export function LatencyPage({ stream, query }: { stream: string; query: URLSearchParams }) {
  const range = readRange(query, now.value);
  const { data, error, retry } = useLatency(stream, range);
  const unknown = error?.status === 404 && data === undefined;
  const sentence = unknown ? { paint: absent, text: `There is no stream ${stream}: no report has named it.` } : data && sentenceOf(data, stream, query.get('of'));
  return (
    <>
      <Verdict title={`${stream} latency`} sentence={sentence}>
        <Trail parts={[{ text: 'Hours', to: hoursPath() }, { text: stream, to: hourPath(stream, hourKey(range.to - 1)) }, { text: 'Latency' }]} />
      </Verdict>
      {unknown ? <p class="none"><a href={hoursPath()}>All hours</a> show which streams there are.</p> : <Trouble error={error} what="the latency" retry={retry} />}
      {!unknown && <RangeTools range={range} />}
      {data && <Body told={data} stream={stream} of={query.get('of')} />}
    </>
  );
}

function sentenceOf(told: Told, stream: string, of: string | null): Sentence {
  const way = wayOf(told.whole, of);
  const when = spoken(told.range);
  if (way !== undefined) return latencySentence(way, `the events of ${stream} produced ${when}`);
  if (told.whole.length === 0) return { paint: absent, text: `No hop measured how late the events of ${stream} produced ${when} were.` };
  return { paint: absent, text: `${stream} has no edge or hop “${of}” with anything measured or missing ${when}.` };
}

function Body({ told, stream, of }: { told: Told; stream: string; of: string | null }) {
  const way = wayOf(told.whole, of);
  const windows = way && told.windows?.filter((w) => wayKey(w) === wayKey(way));
  const nothing = told.whole.length === 0;
  return (
    <>
      {nothing && <p class="none">Either nothing was produced in this time, or the hops do not report latencies. <a href={withView({ span: '24h', from: undefined, to: undefined })}>The last 24 hours</a> may have some.</p>}
      {way && windows && <Heatmap stream={stream} way={way} windows={windows} range={told.range} />}
      {way && !told.windows && <p class="none">There are too many windows in this time for a heatmap; a shorter time has one. The figures below are of all of them.</p>}
      {!nothing && <Ways all={told.whole} chosen={way} />}
      {way && windows && <WindowRows stream={stream} way={way} windows={windows} />}
      <Objectives stream={stream} only={['latency', 'timeliness']} />
      <Freshest stream={stream} all={told.freshness} />
      <Clocks all={told.clocks} />
    </>
  );
}
