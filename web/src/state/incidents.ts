// How an incident stands, in words with shapes. Nothing falls through to resolved: a word that is not here is unknown.
import type { Call } from '../api/incidents';
import { incidentPaint } from '../screens/hours/incident';
import { absent, paint, type Paint } from './states';

/** An open incident looks as what it is about; one that is over is quiet. */
export function standing(i: Call): Paint {
  switch (i.state) {
    case 'open': return incidentPaint(i);
    case 'resolved': return { ...paint('complete'), label: 'Resolved', meaning: 'it is over' };
    case 'merged': return { ...absent, shape: 'dot', label: 'Merged', meaning: 'it is part of an earlier one' };
    default: return paint(i.state);
  }
}

/** What people have made of it: who looks after it, and whether anybody is called. */
export function attention(i: Call): string[] {
  if (i.state !== 'open') return [];
  const words = [
    i.ackedBy !== undefined && `${i.ackedBy} looks after it`,
    i.muted === true && 'silenced',
    i.quiet === true && 'too young for anybody to be called',
  ].filter((t) => typeof t === 'string');
  return words.length === 0 ? ['nobody looks after it'] : words;
}
