import type { Window } from '../../api/types';
import { Table } from '../../parts/Table';
import { windowPath, withView } from '../../router/router';
import { Chip } from '../../state/Chip';
import { marks } from '../../state/marks';
import { paint } from '../../state/states';
import { arrow } from '../../text/edges';
import { p99 } from '../../text/latency';
import { count } from '../../text/numbers';
import { span } from '../../text/time';

const heads = [
  'Window, UTC', 'Edge', 'State', { text: 'Lost', number: true }, { text: 'Pending', number: true },
  { text: 'Delivered', number: true }, 'Besides', { text: 'p99', number: true }, 'Why',
];

const speaks = (w: Window) => paint(w.state).tone !== 'complete' || marks(w).length > 0;

/** The windows of an hour as a table: those with something to say, or all. */
export function WindowTable({ stream, windows, all }: { stream: string; windows: Window[]; all: boolean }) {
  const shown = all ? windows : windows.filter(speaks);
  return (
    <section aria-labelledby="windows">
      <h2 id="windows">{all ? 'All windows' : 'Windows with something to say'}</h2>
      <p class="aside">
        {count(shown.length)} of {count(windows.length)} verdicts.{' '}
        <a href={withView({ show: all ? undefined : 'all' })}>{all ? 'Only those with something to say' : 'Show all'}</a>
      </p>
      {shown.length === 0
        ? <p class="none">Every window that has a verdict is complete, with no mark on it.</p>
        : <Table label="Windows" heads={heads}>{shown.map((w) => <Row key={`${w.start} ${w.edge}`} stream={stream} w={w} />)}</Table>}
    </section>
  );
}

function Row({ stream, w }: { stream: string; w: Window }) {
  const start = Date.parse(w.start);
  return (
    <tr>
      <td><a href={windowPath(stream, w.start, { edge: w.edge })}>{span(start, start + w.seconds * 1000)}</a></td>
      <td>{arrow(w.edge)}</td>
      <td><Chip state={w.state} /></td>
      <td class={w.lost > 0 ? 'n lost' : 'n'}>{count(w.lost)}</td>
      <td class={w.pending > 0 ? 'n pending' : 'n'}>{count(w.pending)}</td>
      <td class="n">{count(w.delivered)} / {count(w.expected)}</td>
      <td>{marks(w).map((m) => <span key={m.label} class={m.duplicated ? 'mark duplicated' : 'mark'}>{count(m.n)} {m.label}</span>)}</td>
      <td class={w.latency?.beyond?.includes('p99') ? 'n pending' : 'n'}>{p99(w.latency)}</td>
      <td class="why">{w.reasons?.[0]?.text ?? ''}</td>
    </tr>
  );
}
