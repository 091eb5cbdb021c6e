// @vitest-environment happy-dom
import { expect, it } from 'vitest';
import type { LatencyPage } from '../../api/latency';
import { rowsOf } from './data';

const day = 86_400_000;
const page = (seconds: number, ways: number) => ({ items: [{ seconds }], whole: Array.from({ length: ways }) }) as unknown as LatencyPage;

it('knows from the first page how many rows a time has', () => {
  expect(rowsOf(page(60, 5), day)).toBe(7200);
  expect(rowsOf(page(10, 5), day)).toBe(43_200);
  expect(rowsOf({ items: [], whole: [] }, day)).toBe(0);
});
