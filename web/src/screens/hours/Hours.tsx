import { useEffect } from 'preact/hooks';
import { Legend } from '../../grid/Legend';
import { narrow } from '../../grid/Grid';
import { live, now } from '../../live/connection';
import { Trouble } from '../../parts/Trouble';
import { Verdict, type Sentence } from '../../parts/Verdict';
import { go, hoursPath, place } from '../../router/router';
import { day } from '../../text/time';
import { useHours } from './data';
import { Empty } from './Empty';
import { HourGrid } from './HourGrid';
import { Incidents } from './Incidents';
import { Latest } from './Latest';
import { readRange, shifted, spoken, type Range } from './range';
import { hoursSentence } from './sentence';

/** Streams × hours: is everything there, and if not, where is it not. */
export function Hours({ query }: { query: URLSearchParams }) {
  const range = readRange(query, now.value, narrow.value);
  const { data: matrix, error, retry } = useHours(range.from, range.to);
  const streams = live.value.streams;
  const known = streams ?? (matrix && [...matrix.keys()].map((stream) => ({ stream, hops: [], edges: [], last: [] })));
  const hours = matrix && [...matrix.values()].flatMap((row) => [...row.values()]);
  const sentence: Sentence | undefined = known && hours && hoursSentence(known, hours, spoken(range));
  const empty = streams?.length === 0 && hours?.length === 0;
  useShiftKeys();
  return (
    <>
      <Verdict title="Hours" sentence={sentence} />
      <Incidents />
      <Trouble error={error} what="the hours" retry={retry} />
      {empty && <Empty />}
      {!empty && <Tools range={range} />}
      {!empty && matrix && known && <HourGrid range={range} streams={known} matrix={matrix} />}
      {!empty && matrix && <Legend />}
      {streams && <Latest streams={streams} />}
    </>
  );
}

function Tools({ range }: { range: Range }) {
  const later = shifted(range, 1, now.value);
  return (
    <div class="tools">
      <div class="shift">
        <a class="button" href={hoursPath(shifted(range, -1, now.value))}>← Earlier</a>
        {range.current ? <span class="button off" aria-disabled="true">Later →</span> : <a class="button" href={hoursPath(later)}>Later →</a>}
        {!range.current && <a class="button" href={hoursPath({ span: range.span === '7d' ? '7d' : undefined })}>Now</a>}
      </div>
      {range.span === 'day' ? <b>{day(range.from)} UTC</b> : (
        <nav class="choice" aria-label="Length of time shown">
          <a href={hoursPath({ to: query('to') })} aria-current={range.span === '24h' ? 'true' : undefined}>24 hours</a>
          <a href={hoursPath({ span: '7d', to: query('to') })} aria-current={range.span === '7d' ? 'true' : undefined}>7 days</a>
        </nav>
      )}
    </div>
  );
}

const query = (name: string) => new URLSearchParams(location.search).get(name) ?? undefined;

/** [ and ] move by one range. */
function useShiftKeys(): void {
  useEffect(() => {
    const pressed = (e: KeyboardEvent) => {
      if (e.target instanceof HTMLInputElement || e.ctrlKey || e.metaKey || e.altKey) return;
      const range = readRange(place.value.query, now.value, narrow.value); // as it is now, drawn or not
      if (e.key === '[') go(hoursPath(shifted(range, -1, now.value)));
      if (e.key === ']' && !range.current) go(hoursPath(shifted(range, 1, now.value)));
    };
    addEventListener('keydown', pressed);
    return () => removeEventListener('keydown', pressed);
  }, []);
}
