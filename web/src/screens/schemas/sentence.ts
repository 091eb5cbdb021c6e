import type { Outcomes } from '../../api/schemas';
import type { Sentence } from '../../parts/Verdict';
import { outcome, violating, worstOf } from '../../state/outcomes';
import { absent, paint, type Paint } from '../../state/states';
import { count, listed, percent } from '../../text/numbers';
import { openText, settled, type Standing } from '../../text/standing';
import type { Delivery } from './sums';

/** What a hop found of the events' schemas, beside how complete they are; `of` names the events. */
export function schemasSentence(o: Outcomes, d: Delivery, of: string, hop: string, s: Partial<Standing> = {}): Sentence {
  const worst = certain(worstOf(o), s);
  if (worst === undefined) return { paint: absent, text: `${hop} checked no schema of ${of}${openText(s)}.` };
  return { paint: worst, text: `${found(o, of, hop)}${old(o)}${arrived(d)}${openText(s)}.` };
}

/** No tick stands over windows of which more may be known later. */
function certain(worst: Paint | undefined, s: Partial<Standing>): Paint | undefined {
  if (worst === undefined || settled(s) || worst.rank > outcome('OK').rank) return worst;
  return paint((s.unknown ?? 0) > 0 ? 'unknown' : 'settling');
}

function found(o: Outcomes, of: string, hop: string): string {
  const checked = `${count(o.checked)} of ${of} that ${hop} checked`;
  if (violating(o) === 0) return o.checked === 1 ? `The one of ${of} that ${hop} checked is valid` : `All ${checked} are valid`;
  const kinds = [
    says(o.invalid, 'breaks its schema', 'break their schema'),
    says(o.undecodable, 'cannot be decoded', 'cannot be decoded'),
    says(o.unknownSchema, 'is of an unknown schema', 'are of an unknown schema'),
  ].filter((t) => t !== '');
  return `Of ${checked}, ${listed(kinds)}; ${percent(o.ok + o.deprecated, o.checked)} are valid`;
}

const says = (n: number, one: string, many: string) => (n === 0 ? '' : `${count(n)} ${n === 1 ? one : many}`);
const old = (o: Outcomes) => (o.deprecated === 0 ? '' : `; ${says(o.deprecated, 'uses a deprecated version', 'use a deprecated version')}`);

function arrived(d: Delivery): string {
  if (d.expected === 0) return '';
  const missing = [d.lost > 0 && `${count(d.lost)} lost`, d.pending > 0 && `${count(d.pending)} pending`].filter(Boolean).join(' and ');
  return `; ${percent(d.delivered, d.expected)} were delivered${missing === '' ? '' : `, ${missing}`}`;
}

/** The server's sentence with narrow spaces, where it groups digits and before percent signs. */
export const spaced = (text: string): string => text.replace(/(\d) (?=\d{3}(?!\d))/g, '$1\u202f').replace(/ %/g, '\u202f%');
