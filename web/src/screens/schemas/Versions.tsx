import type { SchemaVersion } from '../../api/schemas';
import { Table } from '../../parts/Table';
import { count, plural } from '../../text/numbers';
import { instant } from '../../text/time';

const heads = ['Schema', 'Version', 'First window, UTC', 'Last window, UTC', { text: 'Events', number: true }, { text: 'Valid', number: true }, { text: 'Invalid', number: true }, { text: 'Deprecated', number: true }];

/** Which version of which schema appeared when. */
export function Versions({ all }: { all: SchemaVersion[] }) {
  if (all.length === 0) return null;
  return (
    <section aria-labelledby="versions">
      <h2 id="versions">Versions, by when they appeared</h2>
      <Table label="Versions of schemas" heads={heads}>
        {all.map((v) => (
          <tr key={`${v.schema} ${v.version} ${v.other !== undefined}`}>
            <th scope="row">{v.other !== undefined ? `${plural(v.other, 'other')}` : v.schema ?? 'no schema named'}</th><td>{v.version ?? '–'}</td>
            <td>{instant(v.first)}</td><td>{instant(v.last)}</td><td class="n">{count(v.events)}</td><td class="n">{count(v.ok)}</td>
            <td class={v.invalid > 0 ? 'n lost' : 'n'}>{count(v.invalid)}</td><td class={v.deprecated > 0 ? 'n pending' : 'n'}>{count(v.deprecated)}</td>
          </tr>
        ))}
      </Table>
    </section>
  );
}
