import { useSignal } from '@preact/signals';
import { useRef } from 'preact/hooks';
import type { LatencyOf, LatencyWindow } from '../../api/latency';
import { narrow } from '../../grid/Grid';
import { move } from '../../grid/keyboard';
import type { Range } from '../../parts/range';
import { latencyPath, windowPath } from '../../router/router';
import { atMost, figure, wayKey, wayText } from '../../text/latency';
import { count } from '../../text/numbers';
import { clock, span, stamp } from '../../text/time';
import { heatOf, heightOf, levelOf, levels, marksOf, ticksOf, type Column, type Heat } from './heat';

interface Props { stream: string; way: LatencyOf; windows: LatencyWindow[]; range: Range }

/** Time × latency: the darker, the more events. Those that have not arrived stand above all others. */
export function Heatmap({ stream, way, windows, range }: Props) {
  const heat = heatOf(windows, range.from, range.to, narrow.value ? 60 : 120);
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
          <Columns heat={heat} stream={stream} way={way} say={(text) => { said.value = text; }} />
        </div>
        <Times range={range} />
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

interface ColumnsProps { heat: Heat; stream: string; way: LatencyOf; say: (text: string) => void }

/** A link for each column, over the picture: one stop for Tab, arrow keys inside. */
function Columns({ heat, stream, way, say }: ColumnsProps) {
  const root = useRef<HTMLOListElement>(null);
  const all = heat.columns;
  const most = Math.max(...all.map((c) => c.notArrived));
  const at = useSignal(all.length - 1);
  const spot = Math.min(at.value, all.length - 1);
  const pressed = (e: KeyboardEvent) => {
    const to = e.altKey || e.metaKey ? undefined : move({ row: 0, col: spot }, e.key, e.ctrlKey, 1, all.length);
    if (to === undefined || e.key.startsWith('Page') || e.key === 'ArrowUp' || e.key === 'ArrowDown') return;
    e.preventDefault();
    at.value = to.col;
    root.current!.querySelectorAll<HTMLElement>('a')[to.col]?.focus();
  };
  return (
    <ol ref={root} class="heat-columns" aria-label="Columns of the heatmap" onKeyDown={pressed}>
      {all.map((c, i) => {
        const text = columnText(c);
        return (
          <li key={c.from}>
            <a href={columnPath(stream, way, c)} aria-label={text} tabIndex={i === spot ? 0 : -1} onFocus={() => { at.value = i; say(text); }} onMouseOver={() => say(text)}>
              {c.notArrived > 0 && <i class={`late late-${levelOf(c.notArrived, most)}`} />}
            </a>
          </li>
        );
      })}
    </ol>
  );
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

function Times({ range }: { range: Range }) {
  const part = (ms: number) => ((ms - range.from) / (range.to - range.from)) * 100;
  return (
    <div class="heat-x" aria-hidden="true">
      {ticksOf(range.from, range.to - (range.to - range.from) / 12, narrow.value ? 4 : 9).map((ms) => <span key={ms} style={{ left: `${part(ms)}%` }}>{clock(ms)}</span>)}
      <b>UTC</b>
    </div>
  );
}

function Key({ most }: { most: number }) {
  return (
    <ul class="legend" aria-label="What the shades mean">
      <li><span class="swatch late" />Not arrived, the taller the more: lost or still pending, the window tells which</li>
      <li><span class="shades">{Array.from({ length: levels }, (_, i) => <i key={i} class={`heat-${i + 1}`} />)}</span>1 to {count(most)} events</li>
    </ul>
  );
}
