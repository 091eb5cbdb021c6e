import { brief } from '../text/numbers';
import { Glyph } from '../state/Glyph';
import type { Mark } from '../state/marks';
import type { Paint } from '../state/states';

export interface CellData {
  row: number;
  col: number;
  to: string;
  paint: Paint;
  /** The whole of the cell in words. */
  says: string;
  marks?: Mark[];
  /** Shown in the cell where there is room: the number lost. */
  lost?: number;
  /** Complete because there was nothing. */
  empty?: boolean;
  certified?: boolean;
  dayStart?: boolean;
  /** The completeness watermark stands in this cell, at this part of its width. */
  waterline?: number | undefined;
  /** Too small for shapes of lines: form and fill tell the state. */
  small?: boolean;
}

export function Cell(c: CellData) {
  const classes = `tone-${c.paint.tone}${c.empty ? ' empty' : ''}${c.small ? ' small' : ''}`;
  return (
    <div role="gridcell" class={c.dayStart ? 'cell day' : 'cell'}>
      <a href={c.to} class={classes} tabIndex={-1} data-row={c.row} data-col={c.col} aria-label={c.says}>
        {!c.small && <Inside {...c} />}
      </a>
      {c.waterline !== undefined && <i class="waterline" style={{ left: `${c.waterline * 100}%` }} />}
    </div>
  );
}

function Inside({ paint, lost = 0, empty, marks = [], certified }: CellData) {
  const doubled = marks.some((m) => m.duplicated);
  return (
    <>
      {empty ? <i class="dash" /> : <Glyph shape={paint.shape} />}
      {lost > 0 && <b>{brief(lost)}</b>}
      {doubled && <i class="mark-double" />}
      {!doubled && marks.length > 0 && <i class="mark-corner" />}
      {certified && <i class="mark-lock" />}
    </>
  );
}
