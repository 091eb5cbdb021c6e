import { expect, it } from 'vitest';
import type { Outcomes } from '../api/schemas';
import { outcome, outcomeWords, violating, worstOf } from './outcomes';

const none: Outcomes = { checked: 9, ok: 9, invalid: 0, unknownSchema: 0, undecodable: 0, deprecated: 0 };

it('gives every outcome a word and a shape, the worst first', () => {
  expect(outcomeWords.map((w) => [outcome(w).label, outcome(w).shape, outcome(w).rank])).toEqual([
    ['Invalid', 'cross', 4], ['Undecodable', 'cross', 3], ['Unknown schema', 'question', 2], ['Deprecated', 'hatch', 1], ['Valid', 'tick', 0],
  ]);
  expect(new Set(outcomeWords.map((w) => outcome(w).label)).size).toBe(outcomeWords.length);
});

it('lets nothing fall through to valid', () => {
  for (const word of ['', 'ok', 'Ok', 'OK ', 'VALID', 'toString', '__proto__', 'constructor', undefined, null, 0, true, ['OK']]) {
    expect(outcome(word), JSON.stringify(word)).toMatchObject({ tone: 'unknown', shape: 'question' });
  }
  expect(outcome('SHINY').label).toBe('Unknown outcome "SHINY"');
});

it('one bad event among many decides', () => {
  expect(worstOf(none)?.label).toBe('Valid');
  expect(worstOf({ ...none, deprecated: 1 })?.label).toBe('Deprecated');
  expect(worstOf({ ...none, deprecated: 1, unknownSchema: 1 })?.label).toBe('Unknown schema');
  expect(worstOf({ ...none, unknownSchema: 1, undecodable: 1 })?.label).toBe('Undecodable');
  expect(worstOf({ ...none, undecodable: 1, invalid: 1 })?.label).toBe('Invalid');
  expect(worstOf({ ...none, checked: 0, ok: 0 })).toBeUndefined();
  expect(violating({ ...none, deprecated: 4, invalid: 1, unknownSchema: 2, undecodable: 3 })).toBe(6);
});
