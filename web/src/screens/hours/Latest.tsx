import type { Stream, Window } from '../../api/types';
import { Table } from '../../parts/Table';
import { latencyPath, windowPath } from '../../router/router';
import { Chip } from '../../state/Chip';
import { arrow, ordered } from '../../text/edges';
import { p99 } from '../../text/latency';
import { count, percent } from '../../text/numbers';
import { clock, day } from '../../text/time';

const heads = [
  'Stream', 'Edge', 'State', 'Window, UTC', { text: 'Delivered', number: true }, { text: 'Share', number: true },
  { text: 'p99', number: true }, { text: 'Emitters', number: true },
];

/** The latest ended window of every edge, and who is there to report. */
export function Latest({ streams }: { streams: Stream[] }) {
  const rows = streams.flatMap((s) => inOrder(s.last ?? []).map((w, i) => ({ s, w, first: i === 0 })));
  if (rows.length === 0) return null;
  return (
    <section aria-labelledby="latest">
      <h2 id="latest">Latest window of every edge</h2>
      <Table label="Latest window of every edge" heads={heads}>
        {rows.map(({ s, w, first }) => (
          <tr key={`${s.stream} ${w.edge}`} class={first ? 'group' : ''}>
            <th scope="row">{first ? s.stream : <span class="hidden">{s.stream}</span>}</th>
            <td><a href={windowPath(s.stream, w.start, { edge: w.edge })}>{arrow(w.edge)}</a></td>
            <td><Chip state={w.state} lost={w.lost} pending={w.pending} /></td>
            <td>{day(Date.parse(w.start))} {clock(Date.parse(w.start))}</td>
            <td class="n">{count(w.delivered)} / {count(w.expected)}</td>
            <td class="n">{percent(w.delivered, w.expected)}</td>
            <td class="n">{w.latency === undefined ? '–' : <a href={latencyPath(s.stream, { of: w.edge })}>{p99(w.latency)}</a>}</td>
            <td class="n"><Emitters stream={s} edge={w.edge} /></td>
          </tr>
        ))}
      </Table>
    </section>
  );
}

function inOrder(last: Window[]): Window[] {
  const order = ordered(last.map((w) => w.edge));
  return [...last].sort((a, b) => order.indexOf(a.edge) - order.indexOf(b.edge));
}

function Emitters({ stream, edge }: { stream: Stream; edge: string }) {
  const hop = (stream.hops ?? []).find((h) => edge.endsWith(`..${h.hop}`));
  if (hop === undefined) return <>–</>;
  return <>{count(hop.emitters)}{hop.dark > 0 && <span class="unknown">, {count(hop.dark)} dark</span>}</>;
}
