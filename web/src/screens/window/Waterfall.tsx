import type { Window } from '../../api/types';
import { Table } from '../../parts/Table';
import { withView } from '../../router/router';
import { Chip } from '../../state/Chip';
import { arrow, ends } from '../../text/edges';
import { count, percent } from '../../text/numbers';

const heads = [
  'Hop by hop', 'To scale', { text: 'Missing', number: true }, { text: 'Delivered', number: true },
  { text: 'Filtered', number: true }, { text: 'Rejected', number: true }, { text: 'Share', number: true }, 'State',
];

/** From what was produced to what each edge delivered; what was set aside on purpose is accounted for. */
export function Waterfall({ rows, edge }: { rows: Window[]; edge: string }) {
  const produced = Math.max(0, ...rows.map((w) => w.produced));
  const whole = Math.max(1, produced, ...rows.map((w) => w.expected));
  const first = rows[0] === undefined ? '' : ends(rows[0].edge)[0];
  return (
    <Table label="What passed, hop by hop" heads={heads}>
      <tr>
        <th scope="row">Produced at {first}</th>
        <td class="bar-cell"><Bar parts={[['complete', produced]]} whole={whole} /></td>
        <td class="n">–</td><td class="n">{count(produced)}</td><td class="n">–</td><td class="n">–</td><td class="n">–</td><td />
      </tr>
      {rows.map((w) => (
        <tr key={w.edge} class={w.edge === edge ? 'chosen' : ''}>
          <th scope="row">
            <a href={withView({ edge: w.edge, kind: undefined, cursor: undefined })} aria-current={w.edge === edge ? 'true' : undefined}>{arrow(w.edge)}</a>
          </th>
          <td class="bar-cell"><Bar parts={[['complete', w.delivered], ['pending', w.pending], ['lost', w.lost]]} whole={whole} /></td>
          <td class={w.lost > 0 ? 'n lost' : w.pending > 0 ? 'n pending' : 'n'}>{count(w.lost > 0 ? w.lost : w.pending)}</td>
          <td class="n">{count(w.delivered)} / {count(w.expected)}</td>
          <td class="n">{count(w.filtered)}</td>
          <td class="n">{count(w.rejected)}</td>
          <td class="n">{percent(w.delivered, w.expected)}</td>
          <td><Chip state={w.state} /></td>
        </tr>
      ))}
    </Table>
  );
}

/** A bar of parts to scale; a part that is there is never too thin to see. */
function Bar({ parts, whole }: { parts: [tone: string, n: number][]; whole: number }) {
  const there = parts.filter(([, n]) => n > 0);
  return (
    <div class="bar" aria-hidden="true">
      {there.map(([tone, n]) => <i key={tone} class={`bar-${tone}`} style={{ width: `${(n / whole) * 100}%` }} />)}
    </div>
  );
}
