import { useState } from 'preact/hooks';
import { send } from '../../api/client';
import type { Silence } from '../../api/incidents';
import { ActButton } from '../../parts/Act';
import { Table } from '../../parts/Table';
import { Trouble } from '../../parts/Trouble';
import { now } from '../../live/connection';
import { arrow } from '../../text/edges';
import { instant } from '../../text/time';
import { useSilences } from './data';

interface Props { refresh: number; stream?: string; edge?: string | undefined; changed?: () => void }

/** When nobody is called, why and until when; each can be ended. */
export function Silences({ refresh, stream, edge, changed }: Props) {
  const [ended, setEnded] = useState(0);
  const { data, error, retry } = useSilences(refresh + ended);
  const rows = (data ?? []).filter((s) => stream === undefined || mutes(s, stream, edge));
  const end = (s: Silence) => send('DELETE', ['silences', s.id]).then(() => { setEnded((n) => n + 1); changed?.(); });
  return (
    <section aria-labelledby="silences">
      <h2 id="silences">Silences</h2>
      <p class="aside">A silence keeps calls back until it ends. It hides nothing: verdicts and incidents stay as they are.</p>
      <Trouble error={error} what="the silences" retry={retry} />
      {data && rows.length === 0 && <p class="none">{stream === undefined ? 'None: everybody is called.' : 'None mutes this incident.'}</p>}
      {rows.length > 0 && (
        <Table label="Silences" heads={['Of', 'From, UTC', 'Until, UTC', 'By', 'Why', 'End it']}>
          {rows.map((s) => (
            <tr key={s.id}>
              <th scope="row">{scope(s)}</th>
              <td>{Date.parse(s.start) > now.value ? instant(s.start) : 'now'}</td><td>{instant(s.end)}</td><td>{s.author}</td><td class="why">{s.reason}</td>
              <td><ActButton act={() => end(s)}>End now<span class="hidden"> the silence of {scope(s)}</span></ActButton></td>
            </tr>
          ))}
        </Table>
      )}
    </section>
  );
}

function scope(s: Silence): string {
  return [s.stream ?? 'every stream', s.edge !== undefined && arrow(s.edge)].filter(Boolean).join(', ');
}

/** Whether a silence is of this stream and edge; one without an edge is of every one. */
function mutes(s: Silence, stream: string, edge: string | undefined): boolean {
  return (s.stream === undefined || s.stream === stream) && (s.edge === undefined || s.edge === edge);
}
