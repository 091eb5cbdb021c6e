import { expect, it } from 'vitest';
import type { Uid, Window } from '../../api/types';
import { windowSentence } from './sentence';

const base = {
  stream: 'orders', start: '2026-11-22T05:00:00Z', seconds: 60, edge: 'agent..warehouse', revision: 1, reasons: [],
  produced: 4_201_933, expected: 4_201_933, delivered: 4_201_933, lost: 0, pending: 0, duplicated: 0, redelivered: 0, unexpected: 0,
  corrupt: 0, invalid: 0, filtered: 0, rejected: 0, skewed: 0, unplaced: 0, late: 0, invalidAtSource: 0,
};
const say = (more: Partial<Window>, lost?: Uid[]) => windowSentence({ ...base, state: 'complete', ...more }, lost).text.replace(/\u202f/g, ' ');
const from = (...hosts: string[]) => hosts.map((host, i) => ({ uid: String(i), host, times: 0 }));

it('answers for every state, and only complete says all passed', () => {
  expect(say({})).toBe('All 4 201 933 events produced 05:00–05:01 UTC on 22 Nov 2026 passed from agent to warehouse.');
  for (const state of ['open', 'settling', 'unknown', 'incomplete', 'shiny']) expect(say({ state }), state).not.toMatch(/^All/);
});

it('says where the lost stopped and whose they were, when all are named', () => {
  const bad = { state: 'incomplete', lost: 3 };
  expect(say(bad, from('web-17', 'web-17', 'web-2'))).toBe('3 of 4 201 933 events produced 05:00–05:01 UTC on 22 Nov 2026 are missing after agent; 2 of them produced on web-17.');
  expect(say(bad, from('web-17', 'web-17', 'web-17'))).toMatch(/all produced on web-17\.$/);
  expect(say(bad, from('web-17', 'web-17'))).toMatch(/missing after agent\.$/);
  expect(say(bad, from('', '', ''))).toMatch(/missing after agent\.$/);
});

it('names who was not heard', () => {
  const reasons = [{ code: 'dark', text: 'x', hop: 'warehouse', host: 'db-1', lastHeard: '2026-11-22T05:00:31Z' }];
  expect(say({ state: 'unknown', pending: 12, reasons })).toBe(
    'It is not known whether all 4 201 933 events produced 05:00–05:01 UTC on 22 Nov 2026 reached warehouse: warehouse on db-1 was not heard to the end, last heard 22 Nov 05:00:31; 12 are at risk.');
});

it('tells marks beside any state', () => {
  expect(say({ duplicated: 4 })).toMatch(/; 4 duplicated\.$/);
});
