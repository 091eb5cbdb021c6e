import type { LatencyOf, LatencyWindow } from '../../api/latency';
import { Table } from '../../parts/Table';
import { windowPath } from '../../router/router';
import { wayText } from '../../text/latency';
import { count, plural } from '../../text/numbers';
import { day, span } from '../../text/time';
import { FigureCells, figureHeads } from './Ways';

const most = 240;

/** The heatmap as a table: its windows, the newest first. */
export function WindowRows({ stream, way, windows }: { stream: string; way: LatencyOf; windows: LatencyWindow[] }) {
  const shown = windows.slice(-most).reverse();
  return (
    <details>
      <summary>View the heatmap as a table, {plural(windows.length, 'window')}</summary>
      {shown.length < windows.length && <p class="aside">The newest {count(most)}; a column of the heatmap leads to those before.</p>}
      <Table label={`Latency by window, ${wayText(way)}`} heads={['Window, UTC', ...figureHeads]}>
        {shown.map((w) => {
          const start = Date.parse(w.start);
          return (
            <tr key={w.start}>
              <td><a href={windowPath(stream, w.start, { edge: w.edge })}>{day(start)} {span(start, start + w.seconds * 1000)}</a></td>
              <FigureCells of={w} />
            </tr>
          );
        })}
      </Table>
    </details>
  );
}
