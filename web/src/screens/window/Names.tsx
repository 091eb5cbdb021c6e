import type { Uid, Window } from '../../api/types';
import { JsonLink } from '../../parts/JsonLink';
import { Table } from '../../parts/Table';
import { Trouble } from '../../parts/Trouble';
import { uidPath, withView } from '../../router/router';
import { kinds, type Kind } from '../../state/marks';
import { ends } from '../../text/edges';
import { count, listed, plural } from '../../text/numbers';
import { uidsAddress, useUids } from './data';
import { byHost } from './hosts';

interface Props { window: Window; kind: Kind; cursor: string | undefined; refresh: number }

/** The names of one kind, page by page. */
export function Names({ window: w, kind, cursor, refresh }: Props) {
  const { data, error, retry } = useUids(w, kind, cursor, refresh);
  const text = kinds.find((k) => k.kind === kind)!;
  const [from, to] = ends(w.edge);
  const rows = data?.items ?? [];
  return (
    <div id="names" role="tabpanel" aria-labelledby={`tab-${kind}`} class="names">
      <p class="aside">
        {plural(w[kind], 'event')} that {text.meaning.replace('the earlier hop', from).replace('the later hop', to)}.
        {' '}<Breakdown rows={rows} whole={w[kind]} />
      </p>
      <Trouble error={error} what="the names" retry={retry} />
      {data !== undefined && rows.length === 0 && <p class="none">None.</p>}
      {rows.length > 0 && (
        <>
          <Table label={`UIDs, ${text.label.toLowerCase()}`} heads={['UID', { text: 'Number', number: true }, 'Produced on', 'Last seen by', { text: 'Times', number: true }]}>
            {rows.map((u) => <Row key={u.uid} u={u} />)}
          </Table>
          <p class="pages">
            {cursor !== undefined && <a class="button" href={withView({ cursor: undefined })}>First page</a>}
            {data?.next && <a class="button" href={withView({ cursor: data.next })}>Next page →</a>}
            <JsonLink url={uidsAddress(w, kind, cursor)} name={`${w.stream}-${kind}`}>This list as JSON</JsonLink>
          </p>
        </>
      )}
    </div>
  );
}

function Row({ u }: { u: Uid }) {
  return (
    <tr>
      <td><a class="uid" href={uidPath(u.uid)}>{u.uid}</a></td>
      <td class="n">{count(u.sequence)}</td>
      <td>{u.host ?? '–'}</td>
      <td>{u.lastHop ?? '–'}</td>
      <td class="n">{count(u.times)}</td>
    </tr>
  );
}

/** Which hosts they came from; only when the whole list is on the page, so that no share is invented. */
function Breakdown({ rows, whole }: { rows: Uid[]; whole: number }) {
  if (rows.length === 0 || rows.length !== whole) return null;
  const hosts = byHost(rows).map(([host, n]) => [host === '' ? 'a host nobody named' : host, n] as const);
  if (hosts.length === 1) return <b>{rows.length > 1 ? 'All ' : ''}from {hosts[0]![0]}.</b>;
  return <>From {listed(hosts.slice(0, 5).map(([host, n]) => `${host} (${count(n)})`))}{hosts.length > 5 && ` and ${count(hosts.length - 5)} more`}.</>;
}
