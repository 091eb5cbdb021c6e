import { expect, it } from 'vitest';
import type { Hour } from '../../api/types';
import { merge } from './data';

const hour = (stream: string, key: string, lost = 0) => ({ stream, hour: key, state: 'complete', lost }) as Hour;

it('merging changes only the rows whose hours changed', () => {
  const old = merge(new Map(), [hour('a', '2026-11-22T04'), hour('a', '2026-11-22T05'), hour('b', '2026-11-22T05')]);
  const next = merge(old, [hour('a', '2026-11-22T05', 3), hour('b', '2026-11-22T05'), hour('c', '2026-11-22T05')]);
  expect(next.get('a')?.get('2026-11-22T05')?.lost).toBe(3);
  expect(next.get('a')?.has('2026-11-22T04')).toBe(true);
  expect(next.get('b')).toBe(old.get('b'));
  expect(next.has('c')).toBe(true);
  expect(old.get('a')?.get('2026-11-22T05')?.lost).toBe(0);
});
