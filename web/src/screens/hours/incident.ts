import type { Incident } from '../../api/types';
import { hourPath, windowPath } from '../../router/router';
import { paint, type Paint } from '../../state/states';
import { count, plural } from '../../text/numbers';
import { clock, day, hourKey, stamp } from '../../text/time';

/** What is said instead of the state's word where an incident is neither a loss nor unknown. */
const labels: Record<string, string> = {
  stopped: 'Stopped', delayed: 'Delayed', invalid: 'Invalid', corrupt: 'Corrupt', duplicated: 'Duplicated', revoked: 'Revoked',
};

/** The state of what an incident is about: a loss, and an hour that is certified no more, look incomplete, all else unknown, and says what it is. */
export function incidentPaint(i: Incident): Paint {
  if (i.cause === 'loss') return paint('incomplete');
  const label = i.cause.startsWith('burn-') ? 'Objective' : labels[i.cause];
  if (i.cause === 'revoked') return { ...paint('incomplete'), label: 'Revoked' };
  return label === undefined ? paint('unknown') : { ...paint('unknown'), label };
}

/** Where the first bad window is; of a stream that stopped, the hour of its last event; the hour whose certificate was taken back. */
export function incidentPath(i: Incident): string {
  const first = Date.parse(i.firstBad);
  if (i.cause === 'revoked') return hourPath(i.stream, hourKey(first));
  return i.edge === undefined ? hourPath(i.stream, hourKey(first - 1)) : windowPath(i.stream, stamp(first), { edge: i.edge });
}

/** What an open incident says, and who looks after it. */
export function incidentSentence(i: Incident): string {
  return `${what(i)}${i.ackedBy === undefined ? '' : `; ${i.ackedBy} looks after it`}${i.muted === true ? '; nobody is called, it is silenced' : ''}.`;
}

/** The reason at the end of the server's line, where it has one. */
function why(i: Incident): string {
  const said = /: certificate taken back by entry \d+: (.+)$/.exec(i.text)?.[1];
  return said === undefined ? '' : `: ${said}`;
}

/** The hop that found events to break their schema, where the server's line says that it is not the later one of the edge alone. */
function foundAt(i: Incident): string | undefined {
  return / break their schema at (\S+(?: and \S+)?)/.exec(i.text)?.[1];
}

function what(i: Incident): string {
  const first = Date.parse(i.firstBad);
  const from = `${day(first)} ${clock(first)}`;
  if (i.cause === 'stopped') return `${i.stream} has had no event since ${from} UTC`;
  if (i.cause === 'revoked') return `The certificate of ${i.stream} for the hour from ${from} UTC was taken back${why(i)}`;
  if (i.cause.startsWith('burn-')) return i.text.replace(/^\[BURN\] /, '').replace(/\.$/, '');
  const [before, after] = (i.edge ?? '..').split('..');
  const where = i.bad === 1 ? `in the window of ${from} UTC` : `in ${count(i.bad)} windows from ${from} UTC on`;
  if (i.cause === 'loss') return `${count(i.lost)} of ${plural(i.expected, 'event')} of ${i.stream} ${i.lost === 1 ? 'is' : 'are'} missing after ${before}, ${where}`;
  if (i.cause === 'delayed') return `${plural(i.events, 'event')} of ${i.stream} ${i.events === 1 ? 'is' : 'are'} delayed before ${after}, ${where}`;
  if (i.cause === 'invalid') return `${plural(i.events, 'event')} of ${i.stream} ${i.events === 1 ? 'breaks its' : 'break their'} schema at ${foundAt(i) ?? after}, ${where}`;
  if (i.cause === 'corrupt' || i.cause === 'duplicated') return `${plural(i.events, 'event')} of ${i.stream} ${i.events === 1 ? 'is' : 'are'} ${i.cause} at ${after}, ${where}`;
  return `Nobody can tell what ${after} had of ${i.stream} ${where}`;
}
