import type { Evidence as Shape, HopEvidence, LaneEvidence, Window } from '../../api/types';
import { Table } from '../../parts/Table';
import { Trouble } from '../../parts/Trouble';
import { Glyph } from '../../state/Glyph';
import { count, plural } from '../../text/numbers';
import { instant } from '../../text/time';
import { useEvidence } from './data';

/** What the verdict rests on: hops with their targets, lanes with their watermarks, and reports. */
export function Evidence({ window: w, refresh }: { window: Window; refresh: number }) {
  const { data, error, retry } = useEvidence(w, refresh);
  return (
    <section aria-labelledby="evidence">
      <h2 id="evidence">Evidence</h2>
      {(w.reasons ?? []).length > 0 && <ul class="reasons">{w.reasons!.map((r) => <li key={`${r.code} ${r.text}`}>{r.text} <code>{r.code}</code></li>)}</ul>}
      <Trouble error={error} what="the evidence" retry={retry} />
      {data && <Told evidence={data} />}
    </section>
  );
}

/** A lane has passed when a report brought it to the target, or when it was closed. */
const passed = (l: LaneEvidence) => l.closed || l.passedAt !== undefined;

function Told({ evidence: e }: { evidence: Shape }) {
  const hops = e.hops ?? [];
  const lanes = hops.flatMap((h) => h.lanes ?? []);
  const reports = e.reports ?? [];
  return (
    <>
      <p class="aside">
        A hop closes when every lane has passed its target. Times are UTC.
        {e.settleLimit !== undefined && ` What is not closed by ${instant(e.settleLimit)} is called unknown.`}
      </p>
      <Hops hops={hops} />
      <details open={lanes.length <= 24}>
        <summary>{plural(lanes.length, 'lane')}, {count(lanes.filter((l) => !passed(l)).length)} not past the target</summary>
        <Lanes lanes={lanes} />
      </details>
      <details>
        <summary>{plural(reports.length, 'report')} that tell of this window</summary>
        <Table label="Reports" heads={['Hop', { text: 'Number', number: true }, 'Sent', 'Received', 'Host', 'Emitter', 'Counted']}>
          {reports.map((r) => (
            <tr key={`${r.hop} ${r.emitter} ${r.number}`}>
              <td>{r.hop}</td><td class="n">{count(r.number)}</td><td>{instant(r.sentAt)}</td><td>{instant(r.receivedAt)}</td>
              <td>{r.host ?? '–'}</td><td class="uid">{r.emitter}</td><td>{r.counted ? 'yes' : <span class="unknown">no, an earlier one is missing</span>}</td>
            </tr>
          ))}
        </Table>
      </details>
    </>
  );
}

function Hops({ hops }: { hops: HopEvidence[] }) {
  return (
    <Table label="Hops" heads={['Hop', { text: 'Seen', number: true }, 'Target', 'Lanes past it', 'K, closed at', 'Handed on']}>
      {hops.map((h) => {
        const all = h.lanes ?? [];
        return (
          <tr key={h.hop}>
            <th scope="row">{h.hop}</th><td class="n">{count(h.seen)}</td><td>{instant(h.target)}</td>
            <td>{count(all.filter(passed).length)} of {count(all.length)}</td><td>{instant(h.k)}</td><td>{instant(h.handedOn)}</td>
          </tr>
        );
      })}
    </Table>
  );
}

function Lanes({ lanes }: { lanes: LaneEvidence[] }) {
  return (
    <Table label="Lanes" heads={['Hop', 'Lane', 'Past the target', 'Watermark', 'Passed at', 'Host', 'Emitter', { text: 'Epoch', number: true }]}>
      {lanes.map((l) => (
        <tr key={`${l.hop} ${l.epoch} ${l.lane} ${l.emitter ?? ''}`}>
          <td>{l.hop}</td><td>{l.lane === '' ? 'the emitter' : l.lane}</td>
          <td>{passed(l) ? <span class="said tone-complete"><Glyph shape="tick" />yes</span> : <span class="said tone-unknown"><Glyph shape="question" />no</span>}</td>
          <td>{instant(l.watermark)}</td><td>{instant(l.passedAt)}</td><td>{l.host ?? '–'}</td><td class="uid">{l.emitter ?? '–'}</td><td class="n">{count(l.epoch)}</td>
        </tr>
      ))}
    </Table>
  );
}
