import { expect, it } from 'vitest';
import type { Hour, Stream } from '../../api/types';
import { hoursSentence } from './sentence';

const stream = { stream: 'orders' } as Stream;
const hour = (state: string, more: Partial<Hour> = {}) => ({ stream: 'orders', hour: '2026-11-22T05', state, produced: 10, lost: 0, pending: 0, ...more }) as Hour;
const say = (...hours: Hour[]) => hoursSentence([stream], hours, 'in the 24 hours to now');

it('says all is accounted for only when every hour is complete', () => {
  expect(say(hour('complete'))).toMatchObject({ paint: { tone: 'complete' }, text: 'Every event in the 24 hours to now is accounted for.' });
  for (const other of ['open', 'settling', 'unknown', 'incomplete', 'shiny']) {
    expect(say(hour('complete'), hour(other)).text, other).not.toContain('accounted for');
  }
});

it('names the loss before doubt and what is under way, and paints the worst', () => {
  const s = say(hour('incomplete', { lost: 12 }), hour('unknown'), hour('settling', { pending: 3 }), hour('complete', { stream: 'clicks' }));
  expect(s.text).toBe('12 events are lost in 1 of 2 streams in the 24 hours to now; 1 hour is unknown, because somebody was not heard of; 3 are under way.');
  expect(s.paint?.tone).toBe('incomplete');
});

it('does not take a word it does not know for good news', () => {
  expect(say(hour('shiny'))).toMatchObject({ paint: { tone: 'unknown' } });
});

it('tells emptiness apart: no stream, no hour, no event', () => {
  expect(hoursSentence([], [], 'x').text).toBe('No stream has reported yet.');
  expect(say().text).toBe('Nothing was reported in the 24 hours to now.');
  expect(say(hour('complete', { produced: 0 })).text).toBe('No events were produced in the 24 hours to now.');
});
