// Where a key leads in a grid. Columns and rows count from zero; nothing wraps around.

export interface Spot { row: number; col: number }

/** The spot a key leads to, or undefined when the key is none of the grid's. */
export function move(at: Spot, key: string, whole: boolean, rows: number, cols: number): Spot | undefined {
  const within = (n: number, most: number) => Math.min(Math.max(n, 0), Math.max(most - 1, 0));
  const to = (row: number, col: number): Spot => ({ row: within(row, rows), col: within(col, cols) });
  switch (key) {
    case 'ArrowLeft': return to(at.row, at.col - 1);
    case 'ArrowRight': return to(at.row, at.col + 1);
    case 'ArrowUp': return to(at.row - 1, at.col);
    case 'ArrowDown': return to(at.row + 1, at.col);
    case 'Home': return to(whole ? 0 : at.row, 0);
    case 'End': return to(whole ? rows : at.row, cols);
    case 'PageUp': return to(at.row - 10, at.col);
    case 'PageDown': return to(at.row + 10, at.col);
    default: return undefined;
  }
}
