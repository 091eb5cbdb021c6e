import type { Window } from '../../api/types';
import { Table } from '../../parts/Table';
import { Trouble } from '../../parts/Trouble';
import { Chip } from '../../state/Chip';
import { count } from '../../text/numbers';
import { instant } from '../../text/time';
import { useDetail } from './data';

/** How the verdict came to be what it is, the newest first. */
export function Revisions({ window: w, refresh }: { window: Window; refresh: number }) {
  const { data, error, retry } = useDetail(w, refresh);
  const all = data === undefined ? [] : [...(data.revisions ?? []).filter((r) => r.revision !== data.revision), data].reverse();
  return (
    <section aria-labelledby="revisions">
      <h2 id="revisions">Revisions</h2>
      <Trouble error={error} what="the revisions" retry={retry} />
      {w.revision === 0 && <p class="none">None is stored: the window was empty, which follows from its lanes.</p>}
      {w.revision > 0 && all.length > 0 && (
        <Table label="Revisions" heads={['Revision', 'Decided, UTC', 'State', { text: 'Delivered', number: true }, { text: 'Lost', number: true }, { text: 'Pending', number: true }, 'Cause']}>
          {all.map((r) => (
            <tr key={r.revision}>
              <td>{count(r.revision)}</td><td>{instant(r.decidedAt)}</td><td><Chip state={r.state} /></td>
              <td class="n">{count(r.delivered)} / {count(r.expected)}</td><td class="n">{count(r.lost)}</td><td class="n">{count(r.pending)}</td>
              <td class="why">{r.cause ?? ''}</td>
            </tr>
          ))}
        </Table>
      )}
    </section>
  );
}
