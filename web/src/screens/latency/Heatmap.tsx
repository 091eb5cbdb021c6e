import { useSignal } from '@preact/signals';
import type { LatencyOf, LatencyWindow } from '../../api/latency';
import { narrow } from '../../grid/Grid';
import type { Range } from '../../parts/range';
import { TimeAxis } from '../../parts/TimeAxis';
import { TimeColumns, type TimeColumn } from '../../parts/TimeColumns';
import { latencyPath, windowPath } from '../../router/router';
import { atMost, figure, wayKey, wayText } from '../../text/latency';
import { count } from '../../text/numbers';
import { span, stamp } from '../../text/time';
import { heatOf, heightOf, levelOf, levels, marksOf, type Column, type Heat } from './heat';

interface Props { stream: string; way: LatencyOf; windows: LatencyWindow[]; range: Range }

/** Time × latency: the darker, the more events. Those that have not arrived stand above all others. */
export function Heatmap({ stream, way, windows, range }: Props) {
  const heat = heatOf(windows, range.from, range.to, narrow.value ? 60 : 120);
  const mostLate = Math.max(0, ...heat.columns.map((c) => c.notArrived));
  const hint = 'Point at a column, or move with the arrow keys; Enter opens it.';
  const said = useSignal(hint);
  return (
    <section class="heat" aria-labelledby="heat">
      <h2 id="heat">{wayText(way)}, time × latency</h2>
      <div class="heat-frame" onMouseLeave={() => { said.value = hint; }}>
        <div class="heat-y" aria-hidden="true">
          <span class="late-mark">not arrived</span>
          <div>{marksOf(heat).map((ms) => <span key={ms} style={{ bottom: `${heightOf(heat, ms) * 100}%` }}>{atMost(ms)}</span>)}</div>
        </div>
        <div class="heat-plot">
          <Picture heat={heat} />
          <TimeColumns label="Columns of the heatmap" all={heat.columns.map((c) => columnOf(stream, way, c, mostLate))} say={(text) => { said.value = text; }} />
        </div>
        <TimeAxis range={range} />
      </div>
      <Key most={heat.most} />
      <p class="readout heat-said" aria-hidden="true">{said}</p>
    </section>
  );
}

/** The measured buckets; drawn for the eye only, since every column says its own. */
function Picture({ heat }: { heat: Heat }) {
  return (
    <svg viewBox={`0 0 ${heat.columns.length} ${heat.rows}`} preserveAspectRatio="none" aria-hidden="true">
      {heat.columns.map((c, x) => c.cells.map((b) => (
        <rect key={`${x} ${b.low} ${b.high}`} class={`heat-${levelOf(b.count, heat.most)}`} x={x + 0.05} width={0.9} y={heat.rows + heat.lowest - b.high} height={b.high - b.low} />
      )))}
    </svg>
  );
}

function columnOf(stream: string, way: LatencyOf, c: Column, most: number): TimeColumn {
  const late = c.notArrived > 0 && <i class={`late late-${levelOf(c.notArrived, most)}`} />;
  return { key: c.from, to: columnPath(stream, way, c), says: columnText(c), inside: late };
}

/** A column of one window leads to the window, one of several to these alone. */
function columnPath(stream: string, way: LatencyOf, c: Column): string {
  const only = c.windows[0];
  if (c.windows.length === 1 && only !== undefined) return windowPath(stream, only.start, { edge: only.edge });
  return latencyPath(stream, { of: wayKey(way), from: stamp(c.from), to: stamp(c.to) });
}

export function columnText(c: Column): string {
  const when = `${span(c.from, c.to)} UTC`;
  const [only, ...more] = c.windows;
  if (only === undefined) return `${when}: nothing measured, nothing missing`;
  const figures = more.length > 0 ? `${count(c.windows.length)} windows` : `p50 ${figure(only.p50)}, p99 ${figure(only.p99)}, max ${figure(only.max)}`;
  const early = c.negative > 0 ? `, ${count(c.negative)} before production by the clocks` : '';
  return `${when}: ${figures}; ${count(c.measured)} measured, ${count(c.notArrived)} not arrived${early}`;
}

function Key({ most }: { most: number }) {
  return (
    <ul class="legend" aria-label="What the shades mean">
      <li><span class="swatch late" />Not arrived, the taller the more: lost or still pending, the window tells which</li>
      <li><span class="shades">{Array.from({ length: levels }, (_, i) => <i key={i} class={`heat-${i + 1}`} />)}</span>1 to {count(most)} events</li>
    </ul>
  );
}
