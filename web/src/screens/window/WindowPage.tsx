import type { Window } from '../../api/types';
import { Trouble } from '../../parts/Trouble';
import { Trail, Verdict } from '../../parts/Verdict';
import { hourPath, hoursPath, withView } from '../../router/router';
import { kindOf } from '../../state/marks';
import { absent } from '../../state/states';
import { arrow } from '../../text/edges';
import { date, hourKey, span } from '../../text/time';
import { chosen, useEdges, useUids } from './data';
import { Evidence } from './Evidence';
import { firstKind, Kinds } from './Kinds';
import { Lateness } from './Lateness';
import { Names } from './Names';
import { Revisions } from './Revisions';
import { Schemas } from './Schemas';
import { windowSentence } from './sentence';
import { Waterfall } from './Waterfall';

interface Props { stream: string; start: string; query: URLSearchParams }

/** One window: who is missing, who came twice, and on what evidence. */
export function WindowPage({ stream, start, query }: Props) {
  const at = Date.parse(start);
  if (!Number.isFinite(at)) return <Verdict title={stream} sentence={{ paint: absent, text: `“${start}” is not the start of a window; one looks like 2026-11-22T05:09:00Z.` }} />;
  return <Known stream={stream} start={at} query={query} />;
}

function Known({ stream, start, query }: { stream: string; start: number; query: URLSearchParams }) {
  const { answer: { data: rows, error, retry }, refresh } = useEdges(stream, start);
  const w = rows && chosen(rows, query.get('edge'));
  if (rows !== undefined && w !== undefined) return <Found key={`${stream} ${start} ${w.edge}`} rows={rows} w={w} refresh={refresh} query={query} />;
  const edge = query.get('edge');
  const why = rows?.length ? `The window has no edge ${arrow(edge ?? '')}.` : 'There is no verdict on this window: nothing was reported about it.';
  return (
    <>
      <Verdict title={`${stream} window`} sentence={rows && { paint: absent, text: why }}><Path stream={stream} start={start} /></Verdict>
      <Trouble error={error} what="the window" retry={retry} />
      {rows && <p class="none">{rows.length > 0 ? <a href={withView({ edge: undefined })}>Show its worst edge</a> : <a href={hourPath(stream, hourKey(start))}>Show the hour around it</a>}</p>}
    </>
  );
}

function Path({ stream, start, end }: { stream: string; start: number; end?: number }) {
  const last = end === undefined ? date(start) : `Window ${span(start, end)}`;
  return <Trail parts={[{ text: 'Hours', to: hoursPath() }, { text: `${stream} ${hourKey(start).replace('T', ' ')}:00 UTC`, to: hourPath(stream, hourKey(start)) }, { text: last }]} />;
}

function Found({ rows, w, refresh, query }: { rows: Window[]; w: Window; refresh: number; query: URLSearchParams }) {
  const start = Date.parse(w.start);
  const kind = kindOf(query.get('kind')) ?? firstKind(w);
  const lost = useUids(w, 'lost', undefined, refresh).data?.items;
  return (
    <>
      <Verdict title={`${w.stream} ${span(start, start + w.seconds * 1000)}`} sentence={windowSentence(w, lost)}>
        <Path stream={w.stream} start={start} end={start + w.seconds * 1000} />
      </Verdict>
      <Waterfall rows={rows} edge={w.edge} />
      <section aria-labelledby="named">
        <h2 id="named">By name, {arrow(w.edge)}</h2>
        <Kinds window={w} kind={kind} />
        <Names window={w} kind={kind} cursor={query.get('cursor') ?? undefined} refresh={refresh} />
      </section>
      <Lateness window={w} refresh={refresh} />
      <Schemas window={w} refresh={refresh} />
      <Evidence window={w} refresh={refresh} />
      <Revisions window={w} refresh={refresh} />
    </>
  );
}
