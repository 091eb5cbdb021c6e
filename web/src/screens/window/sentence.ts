import type { Reason, Uid, Window } from '../../api/types';
import type { Sentence } from '../../parts/Verdict';
import { marks } from '../../state/marks';
import { paint } from '../../state/states';
import { ends } from '../../text/edges';
import { count, listed, plural } from '../../text/numbers';
import { byHost } from './hosts';
import { date, instant, span } from '../../text/time';

/** The verdict on one window and edge as one sentence; `lost` are the names, where they are all known. */
export function windowSentence(w: Window, lost: Uid[] = []): Sentence {
  return { paint: paint(w.state), text: `${core(w, lost)}${besides(w)}.` };
}

function core(w: Window, lost: Uid[]): string {
  const [from, to] = ends(w.edge);
  const start = Date.parse(w.start);
  const events = `${plural(w.expected, 'event')} produced ${span(start, start + w.seconds * 1000)} UTC on ${date(start)}`;
  switch (paint(w.state).tone) {
    case 'complete':
      return w.expected === 0 ? `Nothing was to pass from ${from} to ${to} of the window ${span(start, start + w.seconds * 1000)} UTC on ${date(start)}, and both say so` : `All ${events} passed from ${from} to ${to}`;
    case 'incomplete':
      return `${count(w.lost)} of ${events} ${w.lost === 1 ? 'is' : 'are'} missing after ${from}${fromOneHost(w.lost, lost)}`;
    case 'unknown':
      return `It is not known whether all ${events} reached ${to}${silent(w.reasons?.[0])}; ${w.pending === 1 ? '1 is' : `${count(w.pending)} are`} at risk`;
    case 'settling':
      return `${count(w.delivered)} of ${events} reached ${to} so far; ${count(w.pending)} pending until it has told the rest`;
    default:
      return `The window still runs: ${count(w.delivered)} of ${events} reached ${to} so far`;
  }
}

/** Names the host most of the lost were last seen on, only when every one of them is known. */
function fromOneHost(n: number, lost: Uid[]): string {
  if (lost.length !== n || n === 0) return '';
  const [host, most] = byHost(lost)[0]!;
  if (host === '') return '';
  return most === n ? `, ${n === 1 ? 'produced' : 'all produced'} on ${host}` : `; ${count(most)} of them produced on ${host}`;
}

function silent(r: Reason | undefined): string {
  if (r === undefined) return '';
  const who = [r.hop, r.lane && `lane ${r.lane}`, r.host && `on ${r.host}`].filter(Boolean).join(' ');
  const heard = r.lastHeard === undefined ? '' : `, last heard ${instant(r.lastHeard)}`;
  return who === '' ? `: ${r.text}` : `: ${who} was not heard to the end${heard}`;
}

function besides(w: Window): string {
  const found = marks(w).map((m) => `${count(m.n)} ${m.label}`);
  return found.length === 0 ? '' : `; ${listed(found)}`;
}
