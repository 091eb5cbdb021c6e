import type { Call } from '../../api/incidents';
import { Table } from '../../parts/Table';
import { Trouble } from '../../parts/Trouble';
import { Trail, Verdict } from '../../parts/Verdict';
import { hoursPath, incidentPath, withView } from '../../router/router';
import { Standing } from './Standing';
import { count, plural } from '../../text/numbers';
import { instant } from '../../text/time';
import { attention } from '../../state/incidents';
import { incidentAnswer, incidentsSentence, type Shown } from './sentence';
import { incidentSentence } from '../hours/incident';
import { useChanges, useIncidents } from './data';
import { Silences } from './Silences';

const most = 200;
const words: Record<Shown, string> = { open: 'Open', resolved: 'Over', all: 'All' };
const heads = ['State', 'What', 'Attention', 'Opened, UTC', { text: 'Bad windows', number: true }, { text: 'Lost', number: true }];

/** What is wrong now, and what was: an incident for each cause and run of windows. */
export function IncidentsPage({ query }: { query: URLSearchParams }) {
  const asked = query.get('state');
  const shown: Shown = asked === 'resolved' || asked === 'all' ? asked : 'open';
  const stream = query.get('stream') ?? undefined;
  const { data, error, retry } = useIncidents(shown, stream);
  const changes = useChanges();
  return (
    <>
      <Verdict title="Incidents" sentence={data && incidentsSentence(data, shown, stream === undefined ? '' : ` of ${stream}`)}>
        <Trail parts={[{ text: 'Hours', to: hoursPath() }, { text: 'Incidents' }]} />
      </Verdict>
      <Trouble error={error} what="the incidents" retry={retry} />
      <div class="tools">
        <nav class="choice" aria-label="Which incidents">
          {(Object.keys(words) as Shown[]).map((s) => <a key={s} href={withView({ state: s === 'open' ? undefined : s })} aria-current={s === shown ? 'true' : undefined}>{words[s]}</a>)}
        </nav>
        {stream !== undefined && <span>of {stream}, <a href={withView({ stream: undefined })}>of every stream</a></span>}
      </div>
      {data && <List all={data} shown={shown} />}
      <Silences refresh={changes} changed={retry} />
    </>
  );
}

function List({ all, shown }: { all: Call[]; shown: Shown }) {
  if (all.length === 0) return <p class="none">{shown === 'open' ? <>No window that was judged calls for anybody. <a href={withView({ state: 'resolved' })}>Those that are over</a></> : 'There has been none.'}</p>;
  const rows = [...all].reverse().slice(0, most);
  return (
    <>
      {rows.length < all.length && <p class="aside">The newest {count(most)} of {plural(all.length, 'incident')}.</p>}
      <Table label="Incidents, the newest first" heads={heads}>
        {rows.map((i) => (
          <tr key={i.id}>
            <td><Standing of={i} /></td>
            <td class="tell"><a href={incidentPath(i.id)}>{i.state === 'open' ? incidentSentence(i) : `${i.stream}: ${incidentAnswer(i).text}`}</a></td>
            <td>{attention(i).join(', ') || '–'}</td>
            <td>{instant(i.openedAt)}</td>
            <td class="n">{count(i.bad)} / {count(i.windows)}</td>
            <td class={i.lost > 0 ? 'n lost' : 'n'}>{count(i.lost)}</td>
          </tr>
        ))}
      </Table>
    </>
  );
}
