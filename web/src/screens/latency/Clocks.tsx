import type { Clock } from '../../api/latency';
import { Table } from '../../parts/Table';
import { count, millis } from '../../text/numbers';
import { clockText } from './clock';

/** What is known of the hosts' clocks, on which every latency rests. */
export function Clocks({ all }: { all: Clock[] }) {
  if (all.length === 0) return null;
  return (
    <section aria-labelledby="clocks">
      <h2 id="clocks">Clocks</h2>
      <p class="aside">A latency is the difference of two hosts' clocks, and wrong by as much as they differ.</p>
      <Table label="Clocks by host" heads={['Host', 'What is known', { text: 'Sent minus received, greatest', number: true }, { text: 'Before production', number: true }, { text: 'Measured', number: true }, { text: 'Reports', number: true }]}>
        {all.map((c) => (
          <tr key={c.host}>
            <th scope="row">{c.host === '' ? 'a host nobody named' : c.host}</th>
            <td>{clockText(c)}</td>
            <td class="n">{c.atLeastAheadMillis !== undefined && c.atLeastAheadMillis < 0 ? '−' : ''}{millis(c.atLeastAheadMillis === undefined ? undefined : Math.abs(c.atLeastAheadMillis))}</td>
            <td class="n">{count(c.negative)}</td><td class="n">{count(c.measured)}</td><td class="n">{count(c.reports)}</td>
          </tr>
        ))}
      </Table>
    </section>
  );
}
