import { expect, it } from 'vitest';
import { move } from './keyboard';

const from = (key: string, whole = false) => move({ row: 1, col: 2 }, key, whole, 3, 5);

it('arrows move by one and stop at the border', () => {
  expect(from('ArrowLeft')).toEqual({ row: 1, col: 1 });
  expect(from('ArrowRight')).toEqual({ row: 1, col: 3 });
  expect(from('ArrowUp')).toEqual({ row: 0, col: 2 });
  expect(from('ArrowDown')).toEqual({ row: 2, col: 2 });
  expect(move({ row: 0, col: 4 }, 'ArrowRight', false, 3, 5)).toEqual({ row: 0, col: 4 });
  expect(move({ row: 0, col: 4 }, 'ArrowUp', false, 3, 5)).toEqual({ row: 0, col: 4 });
});

it('Home and End go to the ends of the row, with Ctrl to the ends of the grid', () => {
  expect([from('Home'), from('End')]).toEqual([{ row: 1, col: 0 }, { row: 1, col: 4 }]);
  expect([from('Home', true), from('End', true)]).toEqual([{ row: 0, col: 0 }, { row: 2, col: 4 }]);
  expect([from('PageUp'), from('PageDown')]).toEqual([{ row: 0, col: 2 }, { row: 2, col: 2 }]);
});

it('leaves other keys alone', () => {
  for (const key of ['Tab', 'Enter', 'a', 'Escape']) expect(from(key)).toBeUndefined();
});
