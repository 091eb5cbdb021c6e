import { useMemo } from 'preact/hooks';
import type { Window } from '../../api/types';
import { Cell, type CellData } from '../../grid/Cell';
import { Grid, QuietRow } from '../../grid/Grid';
import { windowPath } from '../../router/router';
import { marks } from '../../state/marks';
import { absent, paint, spoken } from '../../state/states';
import { arrow, ordered } from '../../text/edges';
import { count } from '../../text/numbers';
import { hourMs, span, stamp } from '../../text/time';

interface Props { stream: string; from: number; windows: Window[] }

/** Edges × windows of one hour. */
export function WindowGrid({ stream, from, windows }: Props) {
  const step = Math.min(...windows.map((w) => w.seconds), 3600) * 1000;
  const starts = useMemo(() => Array.from({ length: hourMs / step }, (_, i) => from + i * step), [from, step]);
  const edges = ordered(windows.map((w) => w.edge));
  const found = new Map(windows.map((w) => [`${w.edge} ${Date.parse(w.start)}`, w]));
  return (
    <Grid label="Edges by window, UTC" breadth={60} rows={edges.length} cols={starts.length} hint="Point at a window, or move with the arrow keys; Enter opens it."
      head={<Head starts={starts} />}>
      {edges.map((edge, row) => {
        const mine = starts.map((s) => found.get(`${edge} ${s}`));
        return <EdgeRow key={edge} stream={stream} edge={edge} row={row} step={step} starts={starts} windows={mine} />;
      })}
    </Grid>
  );
}

function Head({ starts }: { starts: number[] }) {
  return (
    <div class="grid-row grid-head" aria-hidden="true">
      <div class="row-head">UTC</div>
      <div class="cells">{starts.slice(0, 60).map((s, i) => <span key={s}>{i % 10 === 0 ? new Date(s).toISOString().slice(11, 16) : ''}</span>)}</div>
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
        <div role="rowheader" class="row-head"><b>{arrow(p.edge)}</b></div>
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
