import type { Freshness } from '../../api/latency';
import { Table } from '../../parts/Table';
import { windowPath } from '../../router/router';
import { arrow } from '../../text/edges';
import { atMost } from '../../text/latency';
import { day, instant, span } from '../../text/time';

const thin = '\u202f';

/** The newest event that each edge delivered, as exactly as its window, as of now whatever range is shown. */
export function Freshest({ stream, all }: { stream: string; all: Freshness[] }) {
  return (
    <section aria-labelledby="fresh">
      <h2 id="fresh">Newest delivered event, as of now</h2>
      {all.length === 0 ? <p class="none">No edge of the stream is known.</p> : (
        <Table label="Newest delivered event of every edge" heads={['Edge', 'Produced in the window, UTC', { text: 'Age at least', number: true }, { text: 'At most', number: true }]}>
          {all.map((f) => {
            if (f.start === undefined) return <Silent key={f.edge} of={f} />;
            const start = Date.parse(f.start);
            return (
              <tr key={f.edge}>
                <th scope="row">{arrow(f.edge)}</th>
                <td><a href={windowPath(stream, f.start, { edge: f.edge })}>{day(start)} {span(start, start + (f.seconds ?? 0) * 1000)}</a></td>
                <td class="n">{f.ageAtLeastMillis === 0 ? `0${thin}s` : atMost(f.ageAtLeastMillis)}</td><td class="n">{atMost(f.ageMillis)}</td>
              </tr>
            );
          })}
        </Table>
      )}
    </section>
  );
}

/** An edge on which nothing came: for as long as is looked back, or as the stream is known. */
function Silent({ of: f }: { of: Freshness }) {
  return (
    <tr>
      <th scope="row">{arrow(f.edge)}</th>
      <td class="pending">{nothingText(f)}</td>
      <td class="n">{atMost(f.ageAtLeastMillis)}</td><td class="n">–</td>
    </tr>
  );
}

const week = 7 * 86_400_000;

const nothingText = (f: Freshness) => (f.ageAtLeastMillis >= week ? 'nothing delivered in 7 days' : `nothing delivered since ${instant(f.nothingSince ?? '')}, when the stream was first heard of`);
