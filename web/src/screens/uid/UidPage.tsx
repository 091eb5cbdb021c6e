import { useAnswer } from '../../api/answer';
import { address, get } from '../../api/client';
import type { Trace, TraceHop } from '../../api/types';
import { useRefresh } from '../../live/connection';
import { Table } from '../../parts/Table';
import { Trouble } from '../../parts/Trouble';
import { Trail, Verdict } from '../../parts/Verdict';
import { hoursPath, uidPath, windowPath } from '../../router/router';
import { absent } from '../../state/states';
import { count } from '../../text/numbers';
import { moment } from '../../text/time';
import { traceSentence } from './sentence';

/** One event: which hops saw it, and where its trail ends. */
export function UidPage({ uid }: { uid: string }) {
  const refresh = useRefresh(() => true, 5000);
  const url = address(['uids', uid]);
  const { data: t, error, retry } = useAnswer(url, (signal) => get<Trace>(url, signal), refresh);
  const nobody = error?.status === 404;
  const sentence = t ? traceSentence(t) : nobody ? { paint: absent, text: 'No hop has told of this event.' } : undefined;
  return (
    <>
      <Verdict title={uid} sentence={sentence}>
        <Trail parts={[{ text: 'Hours', to: hoursPath() }, { text: 'Event' }]} />
      </Verdict>
      <p class="uid subject">{uid}</p>
      {nobody ? <p class="none">Look whether it is whole: a UID has 36 characters. One of another system is found by its exact text.</p> : <Trouble error={error} what="the event" retry={retry} />}
      {t && <Told trace={t} />}
    </>
  );
}

function Told({ trace: t }: { trace: Trace }) {
  const window = Date.parse(t.window);
  return (
    <>
      <Lane hops={t.hops ?? []} />
      <dl class="figures">
        <div><dt>Produced in the window</dt><dd><a href={windowPath(t.stream, t.window)}>{moment(window)}</a></dd></div>
        {t.source !== undefined && <div><dt>Source</dt><dd class="uid">{t.source}</dd></div>}
        {t.sequence !== undefined && <div><dt>Number</dt><dd>{count(t.sequence)}</dd></div>}
        {t.neighbours?.before && <div><dt>Before it, from the same source</dt><dd><a class="uid" href={uidPath(t.neighbours.before)}>{t.neighbours.before}</a></dd></div>}
        {t.neighbours?.after && <div><dt>After it</dt><dd><a class="uid" href={uidPath(t.neighbours.after)}>{t.neighbours.after}</a></dd></div>}
      </dl>
      <Table label="Hops" heads={['Hop', 'Seen', 'Marks', 'Host', 'Emitters']}>
        {(t.hops ?? []).map((h) => (
          <tr key={h.hop}>
            <th scope="row">{h.hop}</th><td>{h.seen ? 'yes' : 'no word of it'}</td>
            <td>{marksOf(h).map((k) => <span key={k} class={k === 'duplicated' ? 'mark duplicated' : 'mark'}>{k}</span>)}</td>
            <td>{h.host ?? '–'}</td><td class="uid">{(h.emitters ?? []).join(' ') || '–'}</td>
          </tr>
        ))}
      </Table>
    </>
  );
}

const marksOf = (h: TraceHop) => (h.kinds ?? []).filter((k) => k !== 'seen');

/** The hops as a line; a hop without word of the event is a drawn gap. */
function Lane({ hops }: { hops: TraceHop[] }) {
  return (
    <ol class="lane" aria-label="Hops in order">
      {hops.map((h) => (
        <li key={h.hop} class={h.seen ? 'seen' : 'gap'}>
          <b>{h.hop}</b>
          <small>{h.seen ? ['seen', ...marksOf(h)].join(', ') : 'no word of it'}</small>
        </li>
      ))}
    </ol>
  );
}
