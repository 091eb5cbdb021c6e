import { expect, it } from 'vitest';
import { arrow, ends, ordered } from './edges';

it('orders edges as events pass them, and survives a cycle', () => {
  expect(ordered(['relay..sink', 'app..relay'])).toEqual(['app..relay', 'relay..sink']);
  expect(ordered(['agent..warehouse', 'agent..archive', 'app..agent'])).toEqual(['app..agent', 'agent..archive', 'agent..warehouse']);
  expect(ordered(['a..b', 'b..a']).length).toBe(2);
  expect(ordered([])).toEqual([]);
});

it('reads hops with single dots in their names', () => {
  expect(ends('app.v1..agent')).toEqual(['app.v1', 'agent']);
  expect(arrow('app..agent')).toBe('app → agent');
});
