import type { LatencyOf } from '../../api/latency';
import type { Sentence } from '../../parts/Verdict';
import { arrived, atMost, came, total } from '../../text/latency';
import { count } from '../../text/numbers';
import { openText, settled, type Standing } from '../../text/standing';

const thin = '\u202f';

/** A latency, of all windows of a range or of one whose state stands beside it. */
type Timed = LatencyOf & Partial<Standing>;

/** How late events were at a hop, in one sentence; `of` names the events. What has not arrived comes first where it hides the figure. */
export function latencySentence(w: Timed, of: string): Sentence {
  return { paint: undefined, text: `${core(w, of)}${early(w)}${untold(w)}${openText(w)}.` };
}

function core(w: Timed, of: string): string {
  if (total(w) === 0) return `Nothing of ${of} was measured at ${w.hop}, and nothing is ${missed(w)}`;
  if (came(w) === 0) return `No latency of ${of} was measured at ${w.hop}; ${bound(w)}${count(w.notArrived)} ${w.notArrived === 1 ? 'has' : 'have'} not arrived`;
  if (arrived(w.p99)) return `99${thin}% of ${of} were at ${w.hop} within ${atMost(w.p99.upper)} of production; ${missing(w)}`;
  if (w.p99?.notArrived === true) return `${tooMany(w)} of ${of} have not arrived at ${w.hop}: ${bound(w)}${count(w.notArrived)} of ${count(total(w))}${half(w)}`;
  return `How late ${of} were at ${w.hop} is not known, since nothing was measured; ${missing(w)}`;
}

const tooMany = (w: LatencyOf) => (w.p50?.notArrived === true ? 'More than half' : `More than 1${thin}%`);

const half = (w: LatencyOf) => (arrived(w.p50) ? `; half were there within ${atMost(w.p50.upper)}` : '');
const bound = (w: LatencyOf) => (w.notArrivedAtMost === true ? 'at most ' : '');

/** What is not closed may miss more than is known. */
const missed = (w: Timed) => (settled(w) ? 'missing' : 'known to be missing');

function missing(w: Timed): string {
  if (w.notArrived === 0) return `none is ${missed(w)}`;
  return `${bound(w)}${count(w.notArrived)} of ${count(total(w))} ${w.notArrived === 1 ? 'has' : 'have'} not arrived`;
}

function early(w: LatencyOf): string {
  if (w.negative === 0) return '';
  return `; ${count(w.negative)} came before ${w.negative === 1 ? 'its' : 'their'} production, by the clocks`;
}

function untold(w: Timed): string {
  const n = w.untold ?? 0;
  return n === 0 || w.measured === 0 ? '' : `; of ${count(n)} that arrived nobody said when`;
}
