import type { IncidentDetail } from '../../api/incidents';
import { Table } from '../../parts/Table';
import { windowPath } from '../../router/router';
import { Chip } from '../../state/Chip';
import { marks } from '../../state/marks';
import { count, plural } from '../../text/numbers';
import { day, span } from '../../text/time';

const most = 24;

/** The verdicts of its windows as they are now, the newest first. */
export function Verdicts({ incident: i }: { incident: IncidentDetail }) {
  const all = i.verdicts ?? [];
  if (all.length === 0) return null;
  const shown = all.slice(-most).reverse();
  return (
    <section aria-labelledby="verdicts">
      <h2 id="verdicts">Its windows, as they are now</h2>
      {shown.length < all.length && <p class="aside">The newest {count(most)} of {plural(all.length, 'window')}.</p>}
      <Table label="Windows of the incident" heads={['Window, UTC', 'State', { text: 'Lost', number: true }, { text: 'Pending', number: true }, { text: 'Delivered', number: true }, 'Besides', 'Why']}>
        {shown.map((w) => {
          const start = Date.parse(w.start);
          return (
            <tr key={w.start}>
              <td><a href={windowPath(w.stream, w.start, { edge: w.edge })}>{day(start)} {span(start, start + w.seconds * 1000)}</a></td>
              <td><Chip state={w.state} /></td>
              <td class={w.lost > 0 ? 'n lost' : 'n'}>{count(w.lost)}</td><td class={w.pending > 0 ? 'n pending' : 'n'}>{count(w.pending)}</td>
              <td class="n">{count(w.delivered)} / {count(w.expected)}</td>
              <td>{marks(w).map((m) => <span key={m.label} class={m.duplicated ? 'mark duplicated' : 'mark'}>{count(m.n)} {m.label}</span>)}</td><td class="why">{w.reasons?.[0]?.text ?? ''}</td>
            </tr>
          );
        })}
      </Table>
    </section>
  );
}
