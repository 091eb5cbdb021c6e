import type { Counts } from '../api/types';
import { marks } from '../state/marks';
import { count, percent } from '../text/numbers';

/** The sums of an hour or window in one line: what always counts, then only the marks that are there. */
export function Figures({ of: c }: { of: Counts }) {
  return (
    <dl class="figures">
      <Figure name="Produced" value={count(c.produced)} />
      <Figure name="Delivered, over its edges" value={`${count(c.delivered)} / ${count(c.expected)}`} note={percent(c.delivered, c.expected)} />
      <Figure name="Lost" value={count(c.lost)} tone={c.lost > 0 ? 'lost' : ''} />
      {c.pending > 0 && <Figure name="Pending" value={count(c.pending)} tone="pending" />}
      {marks(c).map((m) => <Figure key={m.label} name={m.label[0]!.toUpperCase() + m.label.slice(1)} value={count(m.n)} tone={m.duplicated ? 'duplicated' : ''} />)}
    </dl>
  );
}

function Figure({ name, value, note, tone = '' }: { name: string; value: string; note?: string; tone?: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd class={tone}>{value}{note !== undefined && note !== '–' && <small> {note}</small>}</dd>
    </div>
  );
}
