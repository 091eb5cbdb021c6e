import type { Hour, Stream } from '../../api/types';
import type { Sentence } from '../../parts/Verdict';
import { absent, paint, worse } from '../../state/states';
import { count, plural } from '../../text/numbers';

/** The answer to "is everything there?" over all streams and hours shown. The worst is said first; `when` has its preposition. */
export function hoursSentence(streams: Stream[], hours: Hour[], when: string): Sentence {
  if (streams.length === 0) return { paint: absent, text: 'No stream has reported yet.' };
  if (hours.length === 0) return { paint: absent, text: `Nothing was reported ${when}.` };
  const worst = hours.map((h) => h.state).reduce(worse);
  return { paint: paint(worst), text: `${loss(hours, when)}${doubt(hours)}${underWay(hours)}.` };
}

const sum = (hours: Hour[], of: (h: Hour) => number) => hours.reduce((n, h) => n + of(h), 0);
const streamsOf = (hours: Hour[]) => new Set(hours.map((h) => h.stream)).size;

function loss(hours: Hour[], when: string): string {
  const bad = hours.filter((h) => paint(h.state).tone === 'incomplete');
  const all = streamsOf(hours);
  if (bad.length > 0) {
    const where = all === 1 ? '' : ` in ${count(streamsOf(bad))} of ${count(all)} streams`;
    const lost = sum(bad, (h) => h.lost);
    return `${plural(lost, 'event')} ${lost === 1 ? 'is' : 'are'} lost${where} ${when}`;
  }
  if (sum(hours, (h) => h.produced) === 0) return `No events were produced ${when}`;
  const settled = hours.every((h) => paint(h.state).tone === 'complete');
  const who = all === 1 ? '' : ` of ${count(all)} streams`;
  return settled ? `Every event${who} ${when} is accounted for` : `No event${who} is known to be lost ${when}`;
}

function doubt(hours: Hour[]): string {
  const n = hours.filter((h) => paint(h.state).tone === 'unknown').length;
  return n === 0 ? '' : `; ${plural(n, 'hour')} ${n === 1 ? 'is' : 'are'} unknown, because somebody was not heard of`;
}

function underWay(hours: Hour[]): string {
  const n = sum(hours, (h) => h.pending);
  return n === 0 ? '' : `; ${count(n)} ${n === 1 ? 'is' : 'are'} under way`;
}
