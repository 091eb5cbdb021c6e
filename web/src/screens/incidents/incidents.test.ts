// @vitest-environment happy-dom
import { describe, expect, it } from 'vitest';
import type { Call } from '../../api/incidents';
import { attention, standing } from '../../state/incidents';
import { readMute, requestOf, scopeText } from './mute';
import { incidentAnswer, incidentsSentence } from './sentence';
import { stepText } from './timeline';

const loss: Call = {
  id: '1', stream: 'flights', edge: 'relay..sink', cause: 'loss', state: 'open', first: '2026-11-22T05:00:00Z', last: '2026-11-22T05:02:00Z', windows: 3, bad: 2,
  firstBad: '2026-11-22T05:01:00Z', lost: 312, expected: 4200, events: 312, openedAt: '2026-11-22T05:02:10Z', since: '2026-11-22T05:02:10Z', text: '',
};
const unknown: Call = { ...loss, cause: 'unknown', lost: 0 };

describe('how an incident stands', () => {
  it('has a word and a shape for every state, and resolved alone looks well', () => {
    expect(['open', 'resolved', 'merged'].map((state) => [standing({ ...loss, state }).label, standing({ ...loss, state }).shape])).toEqual(
      [['Incomplete', 'cross'], ['Resolved', 'tick'], ['Merged', 'dot']]);
    for (const state of ['', 'Resolved', 'closed', 'constructor', 'complete ', '__proto__']) expect(standing({ ...loss, state }), state).toMatchObject({ tone: 'unknown', shape: 'question' });
  });
  it('a silenced or acknowledged one keeps its state', () => {
    const held = { ...loss, ackedBy: 'ada', muted: true };
    expect(standing(held)).toEqual(standing(loss));
    expect(attention(held)).toEqual(['ada looks after it', 'silenced']);
    expect(attention(loss)).toEqual(['nobody looks after it']);
    expect(attention({ ...held, state: 'resolved' })).toEqual([]);
  });
});

describe('the sentence', () => {
  it('counts the open ones, the worst first, and who looks after them', () => {
    expect(incidentsSentence([unknown, loss], 'open', '')).toMatchObject({ paint: { shape: 'cross' }, text: '2 incidents are open; nobody looks after any.' });
    expect(incidentsSentence([{ ...unknown, ackedBy: 'ada', muted: true }], 'open', ' of flights').text).toBe('1 incident of flights is open; somebody looks after each and 1 is silenced.');
    expect(incidentsSentence([unknown, { ...loss, ackedBy: 'ada' }, { ...loss, state: 'resolved' }], 'all', '').text).toBe('2 incidents are open; nobody looks after 1.');
  });
  it('says that none is open, and does not call that good', () => {
    expect(incidentsSentence([], 'open', '')).toEqual({ paint: undefined, text: 'No incident is open.' });
    expect(incidentsSentence([{ ...loss, state: 'resolved' }], 'resolved', '').text).toBe('1 incident is over.');
  });
  it('of one says what is wrong, or since when it is over and why', () => {
    expect(incidentAnswer(loss).text).toMatch(/are missing after relay, .*; nobody looks after it\.$/);
    expect(incidentAnswer({ ...loss, ackedBy: 'ada' }).text).toMatch(/; ada looks after it\.$/);
    expect(incidentAnswer({ ...loss, state: 'resolved', bad: 0, text: '[RESOLVED] flights relay→sink 05:00Z: nothing is missing any more' }).text).toBe(
      'Over since 22 Nov 05:02:10 UTC: nothing is missing any more.');
    expect(incidentAnswer({ ...loss, state: 'merged' }).text).toMatch(/part of an earlier/);
  });
});

it('a timeline says every step in words, and one it does not know as it came', () => {
  const say = (what: string, more = {}) => stepText({ at: '', what, ...more });
  expect(say('opened')).toBe('It opened');
  expect(say('notified', { who: 'oncall', text: 'open', attempts: 1 })).toBe('oncall was told that it is open');
  expect(say('acked', { who: 'ada', text: 'restarting' })).toBe('ada looks after it: restarting');
  expect(say('acked', { who: 'ada' })).toBe('ada looks after it');
  expect(say('muted', { who: 'bob', text: 'until 2026-11-22T09:00:00Z: planned' })).toBe('bob silenced it: until 2026-11-22T09:00:00Z: planned');
  expect(say('gave_up', { who: 'oncall', text: '500', attempts: 9 })).toBe('Gave up telling oncall after 9 attempts: 500');
  expect(say('danced', { who: 'ada', text: 'x' })).toBe('danced, ada: x');
});

describe('the mute form', () => {
  const now = Date.parse('2026-11-22T05:00:20Z');
  const read = (text: string) => readMute(new URLSearchParams(text), loss, now);
  const iso = (ms: number) => new Date(ms).toISOString();

  it('has an end whatever its address says', () => {
    for (const text of ['', 'for=', 'for=ever', 'for=constructor', 'until=never', 'until=2026-11-22T04:00:00Z', 'until=2126-01-01T00:00:00Z']) {
      expect(iso(read(text).end), text).toBe('2026-11-22T09:01:00.000Z');
    }
    expect(iso(read('for=7d').end)).toBe('2026-11-29T05:01:00.000Z');
    expect(read('until=2026-11-23T08:00:00Z')).toMatchObject({ term: undefined, end: Date.parse('2026-11-23T08:00:00Z') });
  });
  it('asks for this edge, or for the stream', () => {
    expect(requestOf(loss, read(''), '  planned ')).toEqual({ stream: 'flights', edge: 'relay..sink', end: '2026-11-22T09:01:00.000Z', reason: 'planned' });
    expect(requestOf(loss, read('of=stream'), 'x').edge).toBeUndefined();
    expect(readMute(new URLSearchParams(), { edge: undefined }, now).whole).toBe(true);
    expect([scopeText(loss, false), scopeText(loss, true)]).toEqual(['flights, relay → sink', 'flights, all of it']);
  });
});
