import type { Freshness } from '../../api/latency';
import { Table } from '../../parts/Table';
import { windowPath } from '../../router/router';
import { arrow } from '../../text/edges';
import { atMost } from '../../text/latency';
import { day, span } from '../../text/time';

/** The newest event that each edge delivered, as exactly as its window, as of now whatever range is shown. */
export function Freshest({ stream, all }: { stream: string; all: Freshness[] }) {
  return (
    <section aria-labelledby="fresh">
      <h2 id="fresh">Newest delivered event, as of now</h2>
      {all.length === 0 ? <p class="none">No edge delivered anything in the last 7 days.</p> : (
        <Table label="Newest delivered event of every edge" heads={['Edge', 'Produced in the window, UTC', { text: 'Age at least', number: true }, { text: 'At most', number: true }]}>
          {all.map((f) => {
            const start = Date.parse(f.start);
            return (
              <tr key={f.edge}>
                <th scope="row">{arrow(f.edge)}</th>
                <td><a href={windowPath(stream, f.start, { edge: f.edge })}>{day(start)} {span(start, start + f.seconds * 1000)}</a></td>
                <td class="n">{f.ageAtLeastMillis === 0 ? '0' : atMost(f.ageAtLeastMillis)}</td><td class="n">{atMost(f.ageMillis)}</td>
              </tr>
            );
          })}
        </Table>
      )}
    </section>
  );
}
