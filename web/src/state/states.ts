// The one table of states: what each word of the API looks like and how it is
// spoken. Nothing falls through to green: a word that is not here is unknown.

export type Tone = 'complete' | 'open' | 'settling' | 'unknown' | 'incomplete' | 'absent';
export type Shape = 'tick' | 'dot' | 'hatch' | 'question' | 'cross' | 'blank';

export interface Paint {
  /** The class and the colour token. */
  tone: Tone;
  shape: Shape;
  /** The word as a label. */
  label: string;
  /** What the word means, for a legend. */
  meaning: string;
  /** Best 0 to worst 4; worst wins in a roll-up. */
  rank: number;
}

const table: Readonly<Record<string, Paint>> = Object.freeze(Object.assign(Object.create(null) as Record<string, Paint>, {
  complete: { tone: 'complete', shape: 'tick', label: 'Complete', meaning: 'closed, nothing lost', rank: 0 },
  open: { tone: 'open', shape: 'dot', label: 'Open', meaning: 'still running', rank: 1 },
  settling: { tone: 'settling', shape: 'hatch', label: 'Settling', meaning: 'ended, waiting for the last word', rank: 2 },
  unknown: { tone: 'unknown', shape: 'question', label: 'Unknown', meaning: 'somebody was not heard of', rank: 3 },
  incomplete: { tone: 'incomplete', shape: 'cross', label: 'Incomplete', meaning: 'closed, events are lost', rank: 4 },
} satisfies Record<string, Paint>));

/** The states of the API, best to worst. */
export const words = ['complete', 'open', 'settling', 'unknown', 'incomplete'] as const;

/** No verdict at all: nothing was reported for this time. Not a state of the API. */
export const absent: Paint = { tone: 'absent', shape: 'blank', label: 'No verdict', meaning: 'nothing was reported', rank: -1 };

/** The paint of a state word. Any word but the five is painted as unknown, and says which word it was. */
export function paint(word: unknown): Paint {
  const known = typeof word === 'string' ? table[word] : undefined;
  if (known !== undefined) return known;
  return { ...table.unknown!, label: `Unknown state ${JSON.stringify(word) ?? 'none'}` };
}

/** The worse of two state words. */
export function worse(a: string, b: string): string {
  return paint(b).rank > paint(a).rank ? b : a;
}

interface Figures { lost: number; pending: number; expected: number; delivered: number; produced: number }

/** A state with its number, as it is spoken: "incomplete, 12 lost". */
export function spoken(word: string, f: Figures, count: (n: number) => string): string {
  const name = paint(word).label.toLowerCase();
  if (f.lost > 0) return `${name}, ${count(f.lost)} lost`;
  if (f.pending > 0) return `${name}, ${count(f.pending)} pending`;
  if (word === 'complete' && f.produced === 0) return `${name}, no events`;
  return name;
}
