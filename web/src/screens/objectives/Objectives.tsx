import { useAnswer } from '../../api/answer';
import { address, get } from '../../api/client';
import type { Objective } from '../../api/objectives';
import type { Page } from '../../api/types';
import { now } from '../../live/connection';
import { Table, type ColumnHead } from '../../parts/Table';
import { Trouble } from '../../parts/Trouble';
import { Glyph } from '../../state/Glyph';
import { budget } from '../../state/objectives';
import { count, percent } from '../../text/numbers';
import { dayMs, hourMs } from '../../text/time';
import { goalText, leftText, objectivesText, spanText } from './text';

const every = 60_000;

/** A stream's targets and what is left of their budgets, as of now; `only` names those that the page is about. */
export function Objectives({ stream, only }: { stream: string; only?: string[] }) {
  const url = address(['streams', stream, 'objectives']);
  const { data, error, retry } = useAnswer(url, (signal) => get<Page<Objective>>(url, signal), Math.floor(now.value / every));
  const all = (data?.items ?? []).filter((o) => only === undefined || only.includes(o.objective));
  if (only !== undefined && all.length === 0) return null;
  return (
    <section aria-labelledby="objectives">
      <h2 id="objectives">Objectives, over the last {all[0]?.days ?? 28} days</h2>
      {error?.status !== 404 && <Trouble error={error} what="the objectives" retry={retry} />}
      {data && all.length === 0 && <p class="none">None is set for this stream: its settings may name targets for completeness, timeliness, latency and validity.</p>}
      {all.length > 0 && <p>{objectivesText(all)}</p>}
      {all.length > 0 && <p class="aside">A burn of 1 uses the budget up in exactly {all[0]!.days} days. An alarm rings while a budget burns too fast over a long span and still over a short one.</p>}
      {all.length > 0 && <Targets all={all} />}
    </section>
  );
}

const n = (text: string): ColumnHead => ({ text, number: true });

function Targets({ all }: { all: Objective[] }) {
  const spans = [...new Set(all.flatMap((o) => (o.burn ?? []).map((b) => b.spanMillis)))].filter((ms) => ms >= hourMs && ms < 28 * dayMs).sort((a, b) => a - b);
  return (
    <Table label="Objectives" heads={['Objective', 'State', 'Target', n('Met'), n('Bad'), n('Budget left'), ...spans.map((ms) => n(`Burn, ${spanText(ms)}`)), 'Alarms']}>
      {all.map((o) => {
        const p = budget(o);
        return (
          <tr key={o.objective}>
            <th scope="row">{o.objective}</th>
            <td><span class={`chip tone-${p.tone}`}><Glyph shape={p.shape} />{p.label}</span></td>
            <td>{goalText(o)}</td>
            <td class="n">{percent(o.events - o.bad, o.events)}</td>
            <td class="n">{count(o.bad)} / {count(o.events)}</td>
            <td class={o.budgetLeft <= 0 ? 'n lost' : 'n'}>{o.events === 0 ? '–' : leftText(o.budgetLeft)}</td>
            {spans.map((ms) => <td key={ms} class="n">{rateText(o, ms)}</td>)}
            <td class="why">{(o.alarms ?? []).join(', ') || '–'}</td>
          </tr>
        );
      })}
    </Table>
  );
}

function rateText(o: Objective, ms: number): string {
  const rate = o.burn?.find((b) => b.spanMillis === ms)?.rate;
  return rate === undefined ? '–' : String(rate >= 10 ? Math.round(rate) : Math.ceil(rate * 100) / 100);
}
