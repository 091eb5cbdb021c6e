import type { Clock } from '../../api/latency';
import { Table } from '../../parts/Table';
import { count, millis } from '../../text/numbers';
import { clockText } from './clock';

/** A difference of clocks; behind is negative. */
const signed = (ms: number | undefined) => (ms === undefined ? '–' : `${ms < 0 ? '−' : ''}${millis(Math.abs(ms))}`);

/** What is known of the hosts' clocks, on which every latency rests. */
export function Clocks({ all }: { all: Clock[] }) {
  if (all.length === 0) return null;
  return (
    <section aria-labelledby="clocks">
      <h2 id="clocks">Clocks</h2>
      <p class="aside">A latency is the difference of two hosts' clocks, and wrong by as much as they differ. How far a clock is ahead of the server's is read from its quickest report, so that the truth is this or more; the usual way of a report, beyond that of the quickest, says how much more is likely.</p>
      <Table label="Clocks by host" heads={['Host', 'What is known', { text: 'Ahead at least', number: true }, { text: 'Least of 5 minutes', number: true }, { text: 'Usual way of a report', number: true }, { text: 'Before production', number: true }, { text: 'Measured', number: true }, { text: 'Reports', number: true }]}>
        {all.map((c) => (
          <tr key={c.host}>
            <th scope="row">{c.host === '' ? 'a host nobody named' : c.host}</th>
            <td class="why">{clockText(c)}</td>
            <td class="n">{signed(c.atLeastAheadMillis)}</td><td class="n">{signed(c.lowestAheadMillis)}</td><td class="n">{c.usualTransitMillis === undefined ? '–' : `+${millis(c.usualTransitMillis)}`}</td>
            <td class="n">{count(c.negative)}</td><td class="n">{count(c.measured)}</td><td class="n">{count(c.reports)}</td>
          </tr>
        ))}
      </Table>
    </section>
  );
}
