import type { Stream } from '../../api/types';
import { Grid } from '../../grid/Grid';
import { day, dayMs, hourMs } from '../../text/time';
import type { Matrix } from './data';
import { hoursOf, type Range } from './range';
import { StreamRow } from './StreamRow';
import { useMemo } from 'preact/hooks';

/** Streams × hours. */
export function HourGrid({ range, streams, matrix }: { range: Range; streams: Stream[]; matrix: Matrix }) {
  const columns = useMemo(() => hoursOf(range), [range.from, range.to]);
  const small = range.span === '7d';
  const names = useMemo(() => [...new Set([...streams.map((s) => s.stream), ...matrix.keys()])].sort(), [streams, matrix]);
  const marks = new Map(streams.map((s) => [s.stream, s.watermark === undefined ? undefined : Date.parse(s.watermark)]));
  return (
    <Grid label="Streams by hour, UTC" breadth={small ? 168 : 24} rows={names.length} cols={columns.length}
      hint="Point at an hour, or move with the arrow keys; Enter opens it." head={<Head columns={columns} range={range} />}>
      {names.map((name, row) => (
        <StreamRow key={name} stream={name} row={row} columns={columns} hours={matrix.get(name)} watermark={marks.get(name)} small={small} />
      ))}
    </Grid>
  );
}

/** The hours over the grid; every cell says its own, so this is for the eye only. */
function Head({ columns, range }: { columns: number[]; range: Range }) {
  const folded = range.span === 'day';
  return (
    <div class="grid-row grid-head" aria-hidden="true">
      <div class="row-head">UTC</div>
      <div class="cells">
        {(folded ? columns.slice(0, 12) : columns).map((c, i) => <span key={c} class={c % dayMs === 0 && i > 0 ? 'day' : ''}>{label(c, i, range)}</span>)}
      </div>
      <div class="row-tail">Delivered</div>
    </div>
  );
}

function label(start: number, i: number, range: Range): string {
  const hour = (start % dayMs) / hourMs;
  const two = String(hour).padStart(2, '0');
  if (range.span === '7d') return hour === 0 ? day(start) : '';
  if (range.span === 'day') return hour % 3 === 0 ? `${two}·${hour + 12}` : '';
  if (hour === 0) return day(start);
  return hour % 3 === 0 && i > 0 && hour !== 3 ? two : '';
}
