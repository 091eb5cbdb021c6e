import type { HourDetail, Window } from '../../api/types';
import type { Sentence } from '../../parts/Verdict';
import { marks } from '../../state/marks';
import { paint } from '../../state/states';
import { count, listed, plural } from '../../text/numbers';

/** The answer to "is this hour complete?". `when` is the hour as text. */
export function hourSentence(h: HourDetail, when: string): Sentence {
  const p = paint(h.state);
  return { paint: p, text: `${core(h, when)}${besides(h)}.` };
}

function core(h: HourDetail, when: string): string {
  const events = `${plural(h.produced, 'event')} of ${h.stream} produced ${when}`;
  const bad = (h.windows ?? []).filter((w) => w.lost > 0);
  switch (paint(h.state).tone) {
    case 'complete':
      return h.produced === 0 ? `${h.stream} produced nothing ${when}, and every hop says so` : `All ${events} are accounted for`;
    case 'incomplete': {
      const windows = new Set(bad.map((w) => w.start)).size;
      const where = windows > 0 ? `, in ${plural(windows, 'window')}` : '';
      return `${count(h.lost)} of ${events} ${h.lost === 1 ? 'is' : 'are'} lost${where}`;
    }
    case 'unknown':
      return `It is not known whether all ${events} arrived${silent(h.windows ?? [])}`;
    case 'settling':
      return `Nothing of ${events} is lost so far; ${count(h.pending)} ${h.pending === 1 ? 'is' : 'are'} under way`;
    default:
      return `The hour still runs: ${events} so far, ${count(h.pending)} under way`;
  }
}

function silent(windows: Window[]): string {
  const hops = [...new Set(windows.filter((w) => paint(w.state).tone === 'unknown').flatMap((w) => w.reasons ?? []).flatMap((r) => r.hop ?? []))];
  return hops.length === 0 ? '' : `: ${listed(hops)} ${hops.length === 1 ? 'has' : 'have'} not been heard to the end`;
}

function besides(h: HourDetail): string {
  const found = marks(h).map((m) => `${count(m.n)} ${m.label}`);
  return found.length === 0 ? '' : `; ${listed(found)}`;
}
