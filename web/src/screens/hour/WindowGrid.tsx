import { useMemo } from 'preact/hooks';
import type { Window } from '../../api/types';
import { Cell, type CellData } from '../../grid/Cell';
import { Grid, QuietRow } from '../../grid/Grid';
import { windowPath } from '../../router/router';
import { marks } from '../../state/marks';
import { absent, paint, spoken } from '../../state/states';
import { arrow, ordered } from '../../text/edges';
import { count } from '../../text/numbers';
import { clock, hourMs, minuteMs, span, stamp } from '../../text/time';

interface Props { stream: string; from: number; windows: Window[] }

/** Edges × windows of one hour. */
export function WindowGrid({ stream, from, windows }: Props) {
  const step = Math.min(...windows.map((w) => w.seconds), 3600) * 1000;
  const [first, end] = lines(from, step, windows);
  const starts = useMemo(() => Array.from({ length: (end - first) / step }, (_, i) => first + i * step), [first, end, step]);
  const edges = ordered(windows.map((w) => w.edge));
  const found = new Map(windows.map((w) => [`${w.edge} ${Date.parse(w.start)}`, w]));
  return (
    <Grid label="Edges by window, UTC" breadth={60} rows={edges.length} cols={starts.length} hint="Point at a window, or move with the arrow keys; Enter opens it."
      head={<Head starts={starts} step={step} />}>
      {edges.map((edge, row) => {
        const mine = starts.map((s) => found.get(`${edge} ${s}`));
        return <EdgeRow key={edge} stream={stream} edge={edge} row={row} step={step} starts={starts} windows={mine} />;
      })}
    </Grid>
  );
}

/** The part of the hour that is drawn: of short windows only the lines of sixty from the first verdict to the last. */
export function lines(from: number, step: number, windows: Pick<Window, 'start'>[]): [first: number, end: number] {
  const line = Math.min(60 * step, hourMs);
  const at = windows.map((w) => Math.floor((Date.parse(w.start) - from) / line));
  return [from + Math.min(...at) * line, from + (Math.max(...at) + 1) * line];
}

function Head({ starts, step }: { starts: number[]; step: number }) {
  const every = 60 * step >= hourMs ? 10 : 6;
  const text = (s: number, i: number) => (starts.length > 60 ? `+${i / every} min` : clock(s));

  return (
    <div class="grid-row grid-head" aria-hidden="true">
      <div class="row-head">UTC</div>
      <div class="cells">{starts.slice(0, 60).map((s, i) => <span key={s}>{i % every === 0 ? text(s, i) : ''}</span>)}</div>
      <div class="row-tail">Lost</div>
    </div>
  );
}

interface RowProps { stream: string; edge: string; row: number; step: number; starts: number[]; windows: (Window | undefined)[] }

class EdgeRow extends QuietRow<RowProps> {
  override render(p: RowProps) {
    const lost = p.windows.reduce((n, w) => n + (w?.lost ?? 0), 0);
    return (
      <div role="row" class="grid-row" aria-rowindex={p.row + 1}>
        <div role="rowheader" class="row-head">
          <b>{arrow(p.edge)}</b>
          {p.step < minuteMs && <small>{span(p.starts[0]!, p.starts.at(-1)! + p.step)}</small>}
        </div>
        <div class="cells" role="presentation">
          {p.starts.map((start, col) => <Cell key={start} {...cellOf(p, start, col)} />)}
        </div>
        <div role="gridcell" class="row-tail"><span class={lost > 0 ? 'lost' : ''}>{count(lost)}</span></div>
      </div>
    );
  }
}

function cellOf(p: RowProps, start: number, col: number): CellData {
  const w = p.windows[col];
  const found = w === undefined ? [] : marks(w);
  const rest = found.map((m) => `, ${count(m.n)} ${m.label}`).join('');
  const words = w === undefined ? 'no verdict' : `${spoken(w.state, w, count)}${rest}; ${count(w.delivered)} of ${count(w.expected)} delivered`;
  return {
    row: p.row, col,
    to: windowPath(p.stream, stamp(start), { edge: p.edge }),
    paint: w === undefined ? absent : paint(w.state),
    says: `${arrow(p.edge)}, ${span(start, start + p.step)} UTC: ${words}`,
    marks: found,
    empty: w?.state === 'complete' && w.produced === 0,
  };
}
