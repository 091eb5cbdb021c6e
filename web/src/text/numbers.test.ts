import { describe, expect, it } from 'vitest';
import { brief, count, listed, millis, percent, plural } from './numbers';

const plain = (s: string) => s.replace(/\u202f/g, ' ');

describe('percent', () => {
  it('never says 100 while one is missing', () => {
    for (const n of [2, 10, 1e5, 1e6, 1e9, 4_201_933, 9e12, Number.MAX_SAFE_INTEGER]) {
      expect(plain(percent(n - 1, n)), `${n - 1} of ${n}`).not.toMatch(/^100/);
    }
  });
  it('rounds down', () => {
    expect(plain(percent(99_999_999, 100_000_000))).toBe('99.999 %');
    expect(plain(percent(2, 3))).toBe('66.666 %');
    expect(plain(percent(0, 3))).toBe('0.000 %');
  });
  it('says 100 only when all arrived, and nothing when nothing was expected', () => {
    expect(plain(percent(3, 3))).toBe('100 %');
    expect(percent(0, 0)).toBe('–');
  });
});

describe('count', () => {
  it('parts thousands with a space that does not break', () => {
    expect(count(4_201_933)).toBe('4\u202f201\u202f933');
    expect(count(999)).toBe('999');
    expect(count(1000)).toBe('1\u202f000');
    expect(count(0)).toBe('0');
  });
  it('says when there is no number', () => {
    expect(count(undefined)).toBe('–');
    expect(count(Number.NaN)).toBe('–');
  });
});

it('brief fits three characters for every size and never shows zero for some', () => {
  for (const n of [1, 999, 1000, 99_999, 100_000, 999_999, 1e6, 123e6, 5e9, 999e9]) {
    expect(brief(n).length, String(n)).toBeLessThanOrEqual(3);
    expect(brief(n)).not.toBe('0');
  }
  expect(brief(312)).toBe('312');
  expect(brief(4999)).toBe('4k');
});

it('plural, millis and listed read as a sentence', () => {
  expect(plural(1, 'event')).toBe('1 event');
  expect(plain(plural(1234, 'event'))).toBe('1 234 events');
  expect([840, 4210, 180_000].map((n) => plain(millis(n)))).toEqual(['840 ms', '4.2 s', '3 min']);
  expect(listed(['a', 'b', 'c'])).toBe('a, b and c');
  expect(listed([])).toBe('');
});
