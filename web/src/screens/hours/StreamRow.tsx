import type { Hour } from '../../api/types';
import { Cell, type CellData } from '../../grid/Cell';
import { QuietRow } from '../../grid/Grid';
import { hourPath } from '../../router/router';
import { marks } from '../../state/marks';
import { absent, paint, spoken } from '../../state/states';
import { count, percent } from '../../text/numbers';
import { clock, date, dayMs, day, hourKey, hourMs, span } from '../../text/time';

interface Props {
  stream: string;
  row: number;
  /** Starts of the hours shown. */
  columns: number[];
  hours: ReadonlyMap<string, Hour> | undefined;
  watermark: number | undefined;
  small: boolean;
}

/** One stream: its name and how far it is complete, its hours, and what is missing in them. */
export class StreamRow extends QuietRow<Props> {
  override render({ stream, row, columns, hours, watermark, small }: Props) {
    const shown = columns.map((c) => hours?.get(hourKey(c))).filter((h) => h !== undefined);
    return (
      <div role="row" class="grid-row" aria-rowindex={row + 1}>
        <div role="rowheader" class="row-head">
          <b>{stream}</b>
          <small>{upTo(watermark)}</small>
        </div>
        <div class="cells" role="presentation">
          {columns.map((start, col) => <Cell key={start} {...cellOf({ stream, row, columns, hours, watermark, small }, start, col)} />)}
        </div>
        <Totals hours={shown} />
      </div>
    );
  }
}

function upTo(watermark: number | undefined): string {
  return watermark === undefined ? 'no watermark yet' : `complete to ${day(watermark)} ${clock(watermark)}`;
}

function cellOf(p: Props, start: number, col: number): CellData {
  const key = hourKey(start);
  const hour = p.hours?.get(key);
  const found = hour === undefined ? [] : marks(hour);
  return {
    row: p.row, col, small: p.small,
    to: hourPath(p.stream, key),
    paint: hour === undefined ? absent : paint(hour.state),
    says: `${p.stream}, ${date(start)} ${span(start, start + hourMs)} UTC: ${hour === undefined ? 'no verdict' : words(hour)}`,
    marks: found,
    lost: hour?.lost ?? 0,
    empty: hour?.state === 'complete' && hour.produced === 0,
    certified: hour?.certified ?? false,
    dayStart: start % dayMs === 0 && col > 0,
    waterline: waterline(p.watermark, start),
  };
}

function words(h: Hour): string {
  const rest = marks(h).map((m) => `, ${count(m.n)} ${m.label}`).join('');
  const share = h.expected > 0 ? `; ${count(h.delivered)} of ${count(h.expected)} delivered, ${percent(h.delivered, h.expected)}` : '';
  return `${spoken(h.state, h, count)}${rest}${share}${h.certified ? ', certified' : ''}`;
}

/** Where in an hour the watermark stands, 0 to 1; undefined when it stands in another one. */
function waterline(watermark: number | undefined, start: number): number | undefined {
  if (watermark === undefined || watermark <= start || watermark > start + hourMs) return undefined;
  return (watermark - start) / hourMs;
}

function Totals({ hours }: { hours: Hour[] }) {
  const sum = (of: (h: Hour) => number) => hours.reduce((n, h) => n + of(h), 0);
  const lost = sum((h) => h.lost);
  return (
    <div class="row-tail" role="gridcell">
      <span>{percent(sum((h) => h.delivered), sum((h) => h.expected))}</span>
      <small class={lost > 0 ? 'lost' : ''}>{hours.length === 0 ? 'no verdict' : `${count(lost)} lost`}</small>
    </div>
  );
}
