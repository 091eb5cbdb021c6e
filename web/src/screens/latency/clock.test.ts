import { expect, it } from 'vitest';
import { clockText } from './clock';

const say = (more: object) => clockText({ host: 'web-1', reports: 3, measured: 10, negative: 0, ...more }).replace(/\u202f/g, ' ');

it('says what two signs prove of a clock, and never that it is right', () => {
  expect(say({ atLeastAheadMillis: 4200 })).toBe('ahead of the server by at least 4.2 s');
  expect(say({ atLeastAheadMillis: -300, lowestAheadMillis: -1900 })).toBe('no sign that it is off');
  expect(say({ atLeastAheadMillis: -3000, lowestAheadMillis: -3000 })).toBe('behind it by at most 3.0 s, or no report came faster');
  expect(say({ atLeastAheadMillis: -20, lowestAheadMillis: -30_000 })).toBe('for a part of the time behind it by at most 30.0 s, or no report came faster');
  expect(say({})).toBe('no sign that it is off');
  expect(say({ atLeastAheadMillis: 10, negative: 3 })).toBe('ahead of the server by at least 10 ms; behind that of a producer, or a producer ahead');
});
