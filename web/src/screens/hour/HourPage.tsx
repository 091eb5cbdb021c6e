import { useAnswer } from '../../api/answer';
import { address, get, getAll } from '../../api/client';
import type { HourDetail, Window } from '../../api/types';
import { Legend } from '../../grid/Legend';
import { now, useRefresh } from '../../live/connection';
import { Figures } from '../../parts/Figures';
import { Trouble } from '../../parts/Trouble';
import { Trail, Verdict, type Sentence } from '../../parts/Verdict';
import { hourPath, hoursPath, latencyPath, schemasPath } from '../../router/router';
import { absent } from '../../state/states';
import { clock, date, hourKey, hourMs, hourStart, span, stamp } from '../../text/time';
import { Objectives } from '../objectives/Objectives';
import { hourSentence } from './sentence';
import { WindowGrid } from './WindowGrid';
import { WindowTable } from './WindowTable';

interface Props { stream: string; hour: string; query: URLSearchParams }

/** One hour of one stream: is it complete, and which of its windows are not. */
export function HourPage({ stream, hour, query }: Props) {
  const from = hourStart(hour);
  if (!Number.isFinite(from)) return <Verdict title="Hours" sentence={{ paint: absent, text: `“${hour}” is not an hour; one looks like 2026-11-22T05.` }} />;
  return <Known stream={stream} hour={hour} from={from} all={query.get('show') === 'all'} />;
}

interface Answers { detail: HourDetail | undefined; windows: Window[] }

function Known({ stream, hour, from, all }: { stream: string; hour: string; from: number; all: boolean }) {
  const to = from + hourMs;
  const refresh = useRefresh((w) => w.stream === stream && Date.parse(w.start) >= from && Date.parse(w.start) < to);
  const { data, error, retry } = useAnswer<Answers>(`hour ${stream} ${hour}`, (signal) => ask(stream, hour, from, signal), refresh);
  const when = `${span(from, to)} UTC on ${date(from)}`;
  const nothing = error?.status === 404 && data === undefined;
  const sentence: Sentence | undefined = data?.detail ? hourSentence(data.detail, when) : nothing ? { paint: absent, text: `${error.detail === '' ? 'There is nothing' : capital(error.detail)}.` } : undefined;
  return (
    <>
      <Verdict title={`${stream} ${hour}`} sentence={sentence}>
        <Trail parts={[{ text: 'Hours', to: hoursPath() }, { text: stream }, { text: `${date(from)} ${span(from, to)}` }]} />
      </Verdict>
      <Neighbours stream={stream} from={from} />
      {!nothing && <Signals stream={stream} from={from} />}
      {!nothing && <Trouble error={error} what="the hour" retry={retry} />}
      {nothing && <p class="none">Either no hop had a window in this hour, or it has not begun. <a href={hoursPath()}>All hours</a> shows where there is something.</p>}
      {data?.detail && <Figures of={data.detail} />}
      {data && data.windows.length > 0 && (
        <>
          <WindowGrid stream={stream} from={from} windows={data.windows} />
          <Legend />
          <WindowTable stream={stream} windows={data.windows} all={all} />
        </>
      )}
      {!nothing && <Objectives stream={stream} />}
    </>
  );
}

const capital = (text: string) => text[0]!.toUpperCase() + text.slice(1);

async function ask(stream: string, hour: string, from: number, signal: AbortSignal): Promise<Answers> {
  const [detail, windows] = await Promise.all([
    get<HourDetail>(address(['streams', stream, 'hours', hour]), signal),
    getAll<Window>(['streams', stream, 'windows'], { from: stamp(from), to: stamp(from + hourMs) }, signal),
  ]);
  return { detail, windows };
}

function Neighbours({ stream, from }: { stream: string; from: number }) {
  const later = from + hourMs;
  return (
    <div class="tools">
      <div class="shift">
        <a class="button" href={hourPath(stream, hourKey(from - hourMs))}>← {clock(from - hourMs)}</a>
        {later <= now.value ? <a class="button" href={hourPath(stream, hourKey(later))}>{clock(later)} →</a> : <span class="button off" aria-disabled="true">{clock(later)} →</span>}
      </div>
    </div>
  );
}

/** The same hour by its other signals. */
function Signals({ stream, from }: { stream: string; from: number }) {
  const view = { from: stamp(from), to: stamp(from + hourMs) };
  return <p class="signals">The same hour by <a href={latencyPath(stream, view)}>latency</a> and by <a href={schemasPath(stream, view)}>schemas</a></p>;
}
