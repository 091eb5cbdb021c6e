import type { Hint, IncidentDetail } from '../../api/incidents';
import { count, percent } from '../../text/numbers';

/** What the events have in common, what accounts for most first. */
export function Hints({ incident: i, again }: { incident: IncidentDetail; again: () => void }) {
  if (i.hints === undefined && i.hintsReason !== undefined) return <Slow reason={i.hintsReason} again={again} />;
  if (i.hints === undefined) return null;
  const all = i.hints ?? [];
  return (
    <section aria-labelledby="hints">
      <h2 id="hints">What they have in common</h2>
      {all.length === 0 && <p class="none">{i.state === 'open' ? 'Nothing that stands out: no host, emitter, lane or schema accounts for more of them than of all events.' : 'Nothing is looked for any more, since it is over.'}</p>}
      <ol class="hints">{all.map((h) => <Line key={`${h.kind} ${h.name}`} hint={h} />)}</ol>
    </section>
  );
}

/** The share of what is wrong, and over it, as a line, what chance alone would give. */
function Line({ hint: h }: { hint: Hint }) {
  const share = h.of > 0 ? Math.min(1, h.events / h.of) : 0;
  return (
    <li>
      <b>{h.short}</b>
      <span>{h.evidence}</span>
      <span class="hint-bar" aria-hidden="true"><i style={{ width: `${share * 100}%` }} /><u style={{ left: `${Math.min(1, h.share) * 100}%` }} /></span>
      <small>{count(h.events)} of {count(h.of)}, {percent(h.events, h.of)}; of all events {percent(Math.floor(h.share * 100_000), 100_000)}</small>
    </li>
  );
}

/** The evidence did not come in time; the rest of the incident does not wait for it. */
function Slow({ reason, again }: { reason: string; again: () => void }) {
  return (
    <section aria-labelledby="hints">
      <h2 id="hints">What they have in common</h2>
      <p class="none">Not known now: {reason}. <button type="button" onClick={again}>Look again</button></p>
    </section>
  );
}
