import { expect, it } from 'vitest';
import type { HourDetail } from '../../api/types';
import { hourSentence } from './sentence';

const zero = { produced: 10, expected: 20, delivered: 20, lost: 0, pending: 0, duplicated: 0, redelivered: 0, unexpected: 0, corrupt: 0, invalid: 0, filtered: 0, rejected: 0, skewed: 0, unplaced: 0, late: 0, invalidAtSource: 0 };
const say = (state: string, more: Partial<HourDetail> = {}) =>
  hourSentence({ ...zero, stream: 'orders', hour: '2026-11-22T05', state, certified: false, windows: [], ...more }, '05:00–06:00 UTC').text;

it('answers for every state, and only complete says all', () => {
  expect(say('complete')).toBe('All 10 events of orders produced 05:00–06:00 UTC are accounted for.');
  for (const state of ['open', 'settling', 'unknown', 'incomplete', 'shiny']) expect(say(state), state).not.toMatch(/^All/);
});

it('names silence, loss and marks', () => {
  const window = { start: '2026-11-22T05:09:00Z', state: 'unknown', lost: 0, reasons: [{ code: 'dark', text: '', hop: 'sink' }] };
  expect(say('unknown', { windows: [window as never] })).toBe('It is not known whether all 10 events of orders produced 05:00–06:00 UTC arrived: sink has not been heard to the end.');
  expect(say('incomplete', { lost: 1, duplicated: 4, corrupt: 2, windows: [{ ...window, lost: 1 } as never] }))
    .toBe('1 of 10 events of orders produced 05:00–06:00 UTC is lost, in 1 window; 4 duplicated and 2 corrupt.');
  expect(say('complete', { produced: 0 })).toContain('produced nothing');
});
