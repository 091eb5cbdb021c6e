// What a hop found of an event and its schema, in words with shapes. Nothing falls through to valid: a word that is not here is unknown.
import type { Outcomes } from '../api/schemas';
import { paint, type Paint } from './states';

const table: Readonly<Record<string, Paint>> = Object.freeze(Object.assign(Object.create(null) as Record<string, Paint>, {
  OK: { ...paint('complete'), label: 'Valid', meaning: 'keeps its schema', rank: 0 },
  DEPRECATED: { ...paint('settling'), label: 'Deprecated', meaning: 'keeps a version that is to go', rank: 1 },
  UNKNOWN_SCHEMA: { ...paint('unknown'), label: 'Unknown schema', meaning: 'names a schema that nobody knows', rank: 2 },
  UNDECODABLE: { ...paint('incomplete'), label: 'Undecodable', meaning: 'cannot be read at all', rank: 3 },
  INVALID: { ...paint('incomplete'), label: 'Invalid', meaning: 'breaks its schema', rank: 4 },
} satisfies Record<string, Paint>));

/** The outcomes of the API, the worst first. */
export const outcomeWords = ['INVALID', 'UNDECODABLE', 'UNKNOWN_SCHEMA', 'DEPRECATED', 'OK'] as const;

/** The paint of an outcome. Any word but the five is painted as unknown, and says which word it was. */
export function outcome(word: unknown): Paint {
  const known = typeof word === 'string' ? table[word] : undefined;
  return known ?? { ...table.UNKNOWN_SCHEMA!, label: `Unknown outcome ${JSON.stringify(word) ?? 'none'}` };
}

/** The worst outcome that any event had; undefined where none was checked. */
export function worstOf(o: Outcomes): Paint | undefined {
  const found = [['INVALID', o.invalid], ['UNDECODABLE', o.undecodable], ['UNKNOWN_SCHEMA', o.unknownSchema], ['DEPRECATED', o.deprecated], ['OK', o.ok]] as const;
  const worst = found.find(([, n]) => n > 0)?.[0];
  return worst === undefined ? undefined : outcome(worst);
}

/** What is not as it should be: deprecated versions are still valid. */
export const violating = (o: Outcomes): number => o.invalid + o.undecodable + o.unknownSchema;
