import type { LatencyOf } from '../../api/latency';
import type { Sentence } from '../../parts/Verdict';
import { arrived, atMost, total } from '../../text/latency';
import { count } from '../../text/numbers';

const thin = '\u202f';

/** How late events were at a hop, in one sentence; `of` names the events. What has not arrived comes first where it hides the figure. */
export function latencySentence(w: LatencyOf, of: string): Sentence {
  return { paint: undefined, text: `${core(w, of)}${early(w)}.` };
}

function core(w: LatencyOf, of: string): string {
  if (total(w) === 0) return `Nothing of ${of} was measured at ${w.hop}, and nothing is missing`;
  if (w.measured + w.negative === 0) return `No latency of ${of} was measured at ${w.hop}; ${bound(w)}${count(w.notArrived)} ${w.notArrived === 1 ? 'has' : 'have'} not arrived`;
  if (arrived(w.p99)) return `99${thin}% of ${of} were at ${w.hop} within ${atMost(w.p99.upper)} of production; ${missing(w)}`;
  if (w.p99?.notArrived === true) return `${tooMany(w)} of ${of} have not arrived at ${w.hop}: ${bound(w)}${count(w.notArrived)} of ${count(total(w))}${half(w)}`;
  return `How late ${of} were at ${w.hop} is not known, since nothing was measured; ${missing(w)}`;
}

const tooMany = (w: LatencyOf) => (w.p50?.notArrived === true ? 'More than half' : `More than 1${thin}%`);

const half = (w: LatencyOf) => (arrived(w.p50) ? `; half were there within ${atMost(w.p50.upper)}` : '');
const bound = (w: LatencyOf) => (w.notArrivedAtMost === true ? 'at most ' : '');

function missing(w: LatencyOf): string {
  if (w.notArrived === 0) return 'none is missing';
  return `${bound(w)}${count(w.notArrived)} of ${count(total(w))} ${w.notArrived === 1 ? 'has' : 'have'} not arrived`;
}

function early(w: LatencyOf): string {
  if (w.negative === 0) return '';
  return `; ${count(w.negative)} came before ${w.negative === 1 ? 'its' : 'their'} production, by the clocks`;
}
