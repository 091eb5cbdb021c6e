import type { SchemaWindow } from '../../api/schemas';
import { Table } from '../../parts/Table';
import { schemasPath, windowPath } from '../../router/router';
import { count, plural } from '../../text/numbers';
import { openText } from '../../text/standing';
import { day, span, stamp } from '../../text/time';
import { spaced } from './sentence';

const most = 240;

/** The picture as a table: its windows in the server's words, the newest first. */
export function WindowRows({ stream, windows }: { stream: string; windows: SchemaWindow[] }) {
  const shown = windows.slice(-most).reverse();
  return (
    <details>
      <summary>View as table, {plural(windows.reduce((n, w) => n + Math.max(1, w.windows), 0), 'window')}{windows.some((w) => w.windows > 1) && ` in ${plural(windows.length, 'row')}`}</summary>
      {shown.length < windows.length && <p class="aside">The newest {count(most)}; a column of the picture leads to those before.</p>}
      <Table label="Schemas by window" heads={['Window, UTC', { text: 'Checked', number: true }, { text: 'Invalid', number: true }, { text: 'Undecodable', number: true }, { text: 'Unknown', number: true }, { text: 'Deprecated', number: true }, 'In words']}>
        {shown.map((w) => {
          const start = Date.parse(w.start);
          return (
            <tr key={w.start}>
              <td><a href={w.windows > 1 ? schemasPath(stream, { hop: w.hop, from: w.start, to: stamp(start + w.seconds * 1000) }) : windowPath(stream, w.start, { edge: w.edges?.[0]?.edge })}>{day(start)} {span(start, start + w.seconds * 1000)}</a>{w.notClosed > 0 && <small> {openText(w).slice(2)}</small>}</td>
              <td class="n">{count(w.checked)}</td><td class={w.invalid > 0 ? 'n lost' : 'n'}>{count(w.invalid)}</td><td class={w.undecodable > 0 ? 'n lost' : 'n'}>{count(w.undecodable)}</td>
              <td class={w.unknownSchema > 0 ? 'n unknown' : 'n'}>{count(w.unknownSchema)}</td><td class={w.deprecated > 0 ? 'n pending' : 'n'}>{count(w.deprecated)}</td>
              <td class="why">{spaced(w.sentence)}</td>
            </tr>
          );
        })}
      </Table>
    </details>
  );
}
