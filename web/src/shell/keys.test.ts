// @vitest-environment happy-dom
import { expect, it } from 'vitest';
import { screenOf } from './keys';

it('a letter leads to a screen, and to one of a stream only where there is a stream', () => {
  const hour = { page: 'hour', stream: 'a/b', hour: '2026-11-22T05' } as const;
  expect(['h', 'i', 'l', 's', 'x', 'constructor'].map((k) => screenOf(k, hour))).toEqual(['/hours', '/incidents', '/latency/a%2Fb', '/schemas/a%2Fb', undefined, undefined]);
  expect(['h', 'l', 's'].map((k) => screenOf(k, { page: 'incidents' }))).toEqual(['/hours', undefined, undefined]);
});
