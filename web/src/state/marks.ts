// The kinds of events that a window names apart, in the order they are read.
// Lost and pending belong to the state; the others are marks beside any state.
import type { Counts } from '../api/types';

export type Kind = 'lost' | 'pending' | 'duplicated' | 'redelivered' | 'unexpected' | 'corrupt' | 'invalid' |
  'filtered' | 'rejected' | 'skewed' | 'late' | 'invalidAtSource';

export interface KindText {
  kind: Kind;
  label: string;
  /** What the kind means, after "events that …". */
  meaning: string;
  tone: 'lost' | 'pending' | 'duplicated' | 'plain';
}

export const kinds: readonly KindText[] = [
  { kind: 'lost', label: 'Lost', meaning: 'the earlier hop handed on and the later hop never took over', tone: 'lost' },
  { kind: 'pending', label: 'Pending', meaning: 'are under way; it is too early to call them lost', tone: 'pending' },
  { kind: 'duplicated', label: 'Duplicated', meaning: 'the later hop took over more than once', tone: 'duplicated' },
  { kind: 'redelivered', label: 'Redelivered', meaning: 'came again to a hop whose writes are idempotent: stored once', tone: 'plain' },
  { kind: 'unexpected', label: 'Unexpected', meaning: 'no earlier hop had', tone: 'plain' },
  { kind: 'corrupt', label: 'Corrupt', meaning: 'arrived with another checksum than they were produced with', tone: 'plain' },
  { kind: 'invalid', label: 'Invalid', meaning: 'break their schema', tone: 'plain' },
  { kind: 'invalidAtSource', label: 'Invalid at source', meaning: 'break their schema at the earlier hop, the first one', tone: 'plain' },
  { kind: 'filtered', label: 'Filtered', meaning: 'the earlier hop dropped on purpose', tone: 'plain' },
  { kind: 'rejected', label: 'Rejected', meaning: 'the earlier hop refused or sent to the dead letters', tone: 'plain' },
  { kind: 'skewed', label: 'Skewed', meaning: "landed in another hour's bucket", tone: 'plain' },
  { kind: 'late', label: 'Late', meaning: 'arrived after the first closed verdict', tone: 'plain' },
];

export interface Mark { label: string; n: number; duplicated: boolean }

/** The marks of a window or hour: every kind but lost and pending with a count above zero, and what has no window. */
export function marks(c: Counts): Mark[] {
  const named = kinds.slice(2).map((k) => ({ label: k.label.toLowerCase(), n: c[k.kind], duplicated: k.kind === 'duplicated' }));
  return [...named, { label: 'unplaced', n: c.unplaced, duplicated: false }].filter((m) => m.n > 0);
}

/** The kind of a query value; undefined for a word that is none. */
export function kindOf(word: string | null): Kind | undefined {
  return kinds.find((k) => k.kind === word)?.kind;
}
