import type { Call } from '../../api/incidents';
import type { Sentence } from '../../parts/Verdict';
import { attention, standing } from '../../state/incidents';
import { count, listed, plural } from '../../text/numbers';
import { instant } from '../../text/time';
import { incidentSentence } from '../hours/incident';

export type Shown = 'open' | 'resolved' | 'all';

/** The answer to "is anything wrong?" over the incidents shown. */
export function incidentsSentence(all: Call[], shown: Shown, of: string): Sentence {
  const open = all.filter((i) => i.state === 'open');
  if (shown === 'resolved') return { paint: undefined, text: `${plural(all.length, 'incident')}${of} ${all.length === 1 ? 'is' : 'are'} over.` };
  if (open.length === 0) return { paint: undefined, text: `No incident${of} is open.` };
  const paint = open.map(standing).reduce((worst, p) => (p.rank > worst.rank ? p : worst));
  return { paint, text: `${plural(open.length, 'incident')}${of} ${open.length === 1 ? 'is' : 'are'} open${care(open)}.` };
}

function care(open: Call[]): string {
  const none = open.filter((i) => i.ackedBy === undefined).length;
  const muted = open.filter((i) => i.muted === true).length;
  const said = [
    none === 0 ? 'somebody looks after each' : none === open.length ? 'nobody looks after any' : `nobody looks after ${count(none)}`,
    muted > 0 && `${count(muted)} ${muted === 1 ? 'is' : 'are'} silenced`,
  ].filter((t) => typeof t === 'string');
  return `; ${listed(said)}`;
}

/** What one incident is, or was and since when it is over. */
export function incidentAnswer(i: Call): Sentence {
  const paint = standing(i);
  if (i.state === 'open') return { paint, text: attentive(i) };
  if (i.state === 'resolved') return { paint, text: `Over since ${instant(i.since)} UTC: ${ending(i)}.` };
  if (i.state === 'merged') return { paint, text: 'This is part of an earlier incident, whose next window it began with.' };
  return { paint, text: `It is not known how this incident stands: ${i.text}.` };
}

const attentive = (i: Call) => (i.ackedBy === undefined && i.muted !== true ? `${incidentSentence(i).replace(/\.$/, '')}; ${attention(i)[0]}.` : incidentSentence(i));

/** The server's line without its state and place, where it has them. */
function ending(i: Call): string {
  const said = i.text.replace(/^\[[^\]]*\] /, '');
  const place = said.indexOf(': ');
  const rest = (place < 0 ? said : said.slice(place + 2)).replace(/\.$/, '');
  return rest === '' ? 'nothing is wrong any more' : rest;
}
