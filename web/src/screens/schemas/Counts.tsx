import type { HostCount, SchemaCount } from '../../api/schemas';
import { Table } from '../../parts/Table';
import { Glyph } from '../../state/Glyph';
import { outcome } from '../../state/outcomes';
import { count, percent } from '../../text/numbers';

/** An outcome as shape and word. */
export function OutcomeChip({ word }: { word: string }) {
  const p = outcome(word);
  return <span class={`chip tone-${p.tone}`}><Glyph shape={p.shape} />{p.label}</span>;
}

const heads = ['Outcome', 'Schema', 'Version', 'Reason', { text: 'Events', number: true }];

/** Events by outcome and reason; `to` is where a reason leads, if anywhere. */
export function Counts({ all, to, chosen }: { all: SchemaCount[]; to?: (c: SchemaCount) => string; chosen?: (c: SchemaCount) => boolean }) {
  return (
    <Table label="Events by outcome and reason" heads={heads}>
      {all.map((c) => {
        const reason = c.reason ?? '–';
        const named = to !== undefined && c.other === undefined && c.outcome !== 'OK';
        return (
          <tr key={`${c.outcome} ${c.schema} ${c.version} ${c.reason} ${c.other !== undefined}`} class={chosen?.(c) === true ? 'chosen' : ''}>
            <th scope="row"><OutcomeChip word={c.outcome} /></th>
            <td>{c.other !== undefined ? 'others' : c.schema ?? '–'}</td><td>{c.version ?? '–'}</td>
            <td class="why">{c.other !== undefined ? 'reasons that are not among the most frequent' : named ? <a href={to(c)}>{reason === '–' ? 'Samples' : reason}</a> : reason}</td>
            <td class="n">{count(c.events)}</td>
          </tr>
        );
      })}
    </Table>
  );
}

/** Where the events that break their schema come from. */
export function Hosts({ label, all }: { label: string; all: HostCount[] }) {
  if (all.length === 0) return null;
  const whole = all.reduce((n, h) => n + h.events, 0);
  return (
    <Table label={label} heads={[label, { text: 'Events', number: true }, { text: 'Share', number: true }]}>
      {all.map((h) => (
        <tr key={`${h.host} ${h.other !== undefined}`}>
          <th scope="row">{h.other !== undefined ? 'other hosts' : h.host ?? 'a host nobody named'}</th>
          <td class="n">{count(h.events)}</td><td class="n">{percent(h.events, whole)}</td>
        </tr>
      ))}
    </Table>
  );
}
