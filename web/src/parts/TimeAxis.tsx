import { narrow } from '../grid/Grid';
import { clock } from '../text/time';
import { ticksOf, type Range } from './range';

/** Round times under a picture over time; for the eye only, since every column says its own. */
export function TimeAxis({ range }: { range: Pick<Range, 'from' | 'to'> }) {
  const long = range.to - range.from;
  return (
    <div class="heat-x" aria-hidden="true">
      {ticksOf(range.from, range.to - long / (narrow.value ? 5 : 12), narrow.value ? 4 : 9).map((ms) => <span key={ms} style={{ left: `${((ms - range.from) / long) * 100}%` }}>{clock(ms)}</span>)}
      <b>UTC</b>
    </div>
  );
}
