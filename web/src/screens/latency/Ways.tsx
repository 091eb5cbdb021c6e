import type { LatencyOf, Quantile } from '../../api/latency';
import { Table, type ColumnHead } from '../../parts/Table';
import { withView } from '../../router/router';
import { came, errorText, figure, wayKey, wayText } from '../../text/latency';
import { count, listed } from '../../text/numbers';

const n = (text: string): ColumnHead => ({ text, number: true });
export const figureHeads = [n('p50'), n('p95'), n('p99'), n('Max'), n('Arrived'), n('Not arrived'), n('Before production'), n('Nobody said when')];

/** A figure in its cell; what has not arrived is words in the colour of what is awaited. */
export const Figure = ({ of }: { of: Quantile | undefined }) => <td class={of?.notArrived === true ? 'n pending' : 'n'}>{figure(of)}</td>;

/** The cells of a distribution, as figureHeads names them. */
export function FigureCells({ of: d }: { of: LatencyOf }) {
  return (
    <>
      <Figure of={d.p50} /><Figure of={d.p95} /><Figure of={d.p99} /><Figure of={d.max} />
      <td class="n">{count(came(d))}</td>
      <td class={d.notArrived > 0 ? 'n pending' : 'n'}>{d.notArrivedAtMost === true && d.notArrived > 0 ? '≤ ' : ''}{count(d.notArrived)}</td>
      <td class="n">{d.ofHop === true ? '–' : count(d.negative)}</td>
      <td class={(d.untold ?? 0) > 0 ? 'n unknown' : 'n'}>{d.ofHop === true ? '–' : count(d.untold ?? 0)}</td>
    </>
  );
}

/** The figures of edges, hops and ends, a row each; `to` is where a row leads. */
export function WayTable({ all, chosen, to }: { all: LatencyOf[]; chosen: string | undefined; to: (w: LatencyOf) => string }) {
  return (
    <Table label="Latency by edge, by hop and end to end" heads={['Of', ...figureHeads]}>
      {all.map((w) => (
        <tr key={wayKey(w)} class={wayKey(w) === chosen ? 'chosen' : ''}>
          <th scope="row"><a href={to(w)} aria-current={wayKey(w) === chosen ? 'true' : undefined}>{wayText(w)}</a></th>
          <FigureCells of={w} />
        </tr>
      ))}
    </Table>
  );
}

/** What the figures are, and how exact. */
export function WayNote({ all }: { all: LatencyOf[] }) {
  return (
    <p class="aside">
      Since production. Each figure is an upper bound, at most {errorText(Math.max(0, ...all.map((w) => w.relativeError)))} above the true one. What is lost or pending counts as
      not arrived, later than any number. An edge shows the latency of its later hop, not the time it takes by itself.
      {all.some((w) => w.ofHop === true) && ` Where several edges lead to a hop nobody measures by edge: the times of ${listed(all.filter((w) => w.ofHop === true).map(wayText))} are of all that the hop took over, and only what has arrived and what has not is of the edge alone.`}
    </p>
  );
}

/** Every edge, hop and end of the stream over the whole time; a row leads to its own heatmap. */
export function Ways({ all, chosen }: { all: LatencyOf[]; chosen: LatencyOf | undefined }) {
  return (
    <section aria-labelledby="ways">
      <h2 id="ways">By edge, by hop and end to end</h2>
      <WayNote all={all} />
      <WayTable all={all} chosen={chosen && wayKey(chosen)} to={(w) => withView({ of: wayKey(w) })} />
    </section>
  );
}
