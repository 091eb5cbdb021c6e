import { useSignal } from '@preact/signals';
import { narrow } from '../../grid/Grid';
import type { SchemaWindow } from '../../api/schemas';
import type { Range } from '../../parts/range';
import { TimeAxis } from '../../parts/TimeAxis';
import { TimeColumns, type TimeColumn } from '../../parts/TimeColumns';
import { schemasPath, windowPath } from '../../router/router';
import { count } from '../../text/numbers';
import { stamp } from '../../text/time';
import { columnsOf, columnText, mostBad, type SchemaColumn } from './columns';
import { mostColumns } from './data';

interface Props { stream: string; hop: string; windows: SchemaWindow[]; range: Range }

/** What violates over time, and above it what was not delivered: both say something about the same events. */
export function Picture({ stream, hop, windows, range }: Props) {
  const all = columnsOf(windows, range.from, range.to, narrow.value ? 60 : mostColumns);
  const most = mostBad(all);
  const hint = 'Point at a column, or move with the arrow keys; Enter opens it.';
  const said = useSignal(hint);
  return (
    <section class="heat" aria-labelledby="over-time">
      <h2 id="over-time">What {hop} found, over time</h2>
      <div class="heat-frame" onMouseLeave={() => { said.value = hint; }}>
        <div class="heat-y" aria-hidden="true"><span class="late-mark">not delivered</span><div>{most > 0 && <span class="top-mark">{count(most)}</span>}</div></div>
        <div class="heat-plot low">
          <TimeColumns label="Windows over time" all={all.map((c) => columnOf(stream, hop, c, most))} say={(text) => { said.value = text; }} />
        </div>
        <TimeAxis range={range} />
      </div>
      <ul class="legend" aria-label="What the bars mean">
        <li><span class="swatch bad-INVALID" />Invalid or undecodable</li>
        <li><span class="swatch bad-UNKNOWN_SCHEMA" />Unknown schema</li>
        <li><span class="swatch bad-DEPRECATED" />Deprecated version</li>
        <li><span class="swatch bad-OK" />Checked</li>
        <li><span class="swatch late" />Not delivered: lost or pending</li>
      </ul>
      <p class="readout heat-said" aria-hidden="true">{said}</p>
    </section>
  );
}

function columnOf(stream: string, hop: string, c: SchemaColumn, most: number): TimeColumn {
  const only = c.windows.length === 1 && c.windows[0]!.windows <= 1 ? c.windows[0] : undefined;
  const to = only === undefined ? schemasPath(stream, { hop, from: stamp(c.from), to: stamp(c.to) }) : windowPath(stream, only.start, { edge: only.edges?.[0]?.edge });
  return { key: c.from, to, says: columnText(c), inside: <Bars column={c} most={most} /> };
}

function Bars({ column: c, most }: { column: SchemaColumn; most: number }) {
  const tall = (n: number) => ({ height: `${Math.max(3, (n / most) * 100)}%` }); // what is there can be seen
  const parts = [['DEPRECATED', c.sums.deprecated], ['UNKNOWN_SCHEMA', c.sums.unknownSchema], ['INVALID', c.sums.invalid + c.sums.undecodable]] as const;
  return (
    <>
      <span class="strip">{c.delivery.lost + c.delivery.pending > 0 && <i class="late" />}</span>
      <span class="bad-bars">
        {parts.map(([word, n]) => n > 0 && <i key={word} class={`bad-${word}`} style={tall(n)} />)}
        {c.sums.checked > 0 && <i class="bad-OK" />}
      </span>
    </>
  );
}
