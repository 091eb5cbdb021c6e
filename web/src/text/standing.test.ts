import { expect, it } from 'vitest';
import { openText, settled } from './standing';

it('counts the windows that are not closed, and of these the unknown', () => {
  expect(openText({ windows: 60, notClosed: 3 })).toBe('; 3 of 60 windows not closed');
  expect(openText({ windows: 60, notClosed: 3, unknown: 1 })).toBe('; 3 of 60 windows not closed, 1 of them unknown');
  expect(openText({ windows: 60, notClosed: 0 })).toBe('');
  expect([settled({}), settled({ windows: 1, notClosed: 1 })]).toEqual([true, false]);
});
