import type { Distribution } from '../../api/latency';
import { Table } from '../../parts/Table';
import { atMost } from '../../text/latency';
import { count } from '../../text/numbers';
import { heightOf, marksOf, rowsOf } from '../latency/heat';

/** One distribution: a bar for each bucket, and one apart for what has not arrived. */
export function Histogram({ of: d }: { of: Distribution }) {
  const bars = (d.buckets ?? []).map((b) => ({ rows: rowsOf(b), ...b }));
  const lowest = Math.min(0, ...bars.map((b) => b.rows[0]));
  const heat = { columns: [], lowest, rows: Math.max(8, ...bars.map((b) => b.rows[1])) - lowest, most: Math.max(d.notArrived, ...bars.map((b) => b.count)) };
  const tall = (n: number) => Math.max(2, (n / heat.most) * 100); // what is there can be seen
  return (
    <>
      <div class="spread" aria-hidden="true">
        <div class="spread-plot">
          <svg viewBox={`0 0 ${heat.rows} 100`} preserveAspectRatio="none">
            {bars.map((b) => <rect key={b.upper} class="heat-5" x={b.rows[0] - lowest + 0.06} width={b.rows[1] - b.rows[0] - 0.12} y={100 - tall(b.count)} height={tall(b.count)} />)}
          </svg>
          <div class="spread-x">{marksOf(heat).map((ms) => <span key={ms} style={{ left: `${heightOf(heat, ms) * 100}%` }}>{atMost(ms)}</span>)}</div>
        </div>
        <div class="spread-late">
          <div>{d.notArrived > 0 && <i class="late" style={{ height: `${tall(d.notArrived)}%` }} />}</div>
          <span>{count(d.notArrived)} not arrived</span>
        </div>
      </div>
      <details>
        <summary>View as table</summary>
        <Buckets of={d} />
      </details>
    </>
  );
}

function Buckets({ of: d }: { of: Distribution }) {
  return (
    <Table label="Buckets of the latency" heads={['Latency above', 'Not above', { text: 'Events', number: true }]}>
      {d.negative > 0 && <tr><th scope="row">before production</th><td>by the clocks</td><td class="n">{count(d.negative)}</td></tr>}
      {(d.buckets ?? []).map((b) => (
        <tr key={b.upper}><th scope="row">{b.lower <= 0 ? '0' : atMost(b.lower)}</th><td>{atMost(b.upper)}</td><td class="n">{count(b.count)}</td></tr>
      ))}
      <tr><th scope="row">not arrived</th><td>lost or pending</td><td class={d.notArrived > 0 ? 'n pending' : 'n'}>{count(d.notArrived)}</td></tr>
    </Table>
  );
}
