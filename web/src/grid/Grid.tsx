import { signal, useSignal } from '@preact/signals';
import { Component, type ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { move } from './keyboard';

/** How many columns stand on one line of a wide page; narrow pages fold them. */
export type Breadth = 24 | 60 | 168;

interface Props { label: string; breadth: Breadth; rows: number; cols: number; head?: ComponentChildren; hint: string; children: ComponentChildren }

/** One ARIA grid: one stop for Tab, arrow keys inside, and a line that reads out the cell pointed at. */
export function Grid({ label, breadth, rows, cols, head, hint, children }: Props) {
  const root = useRef<HTMLDivElement>(null);
  const said = useSignal(hint);

  useEffect(() => {
    const grid = root.current!;
    if (grid.querySelector('a[tabindex="0"]') === null) grid.querySelector('[role=row]:not([aria-hidden]) .cell:last-child a')?.setAttribute('tabindex', '0');
  });

  const pressed = (e: KeyboardEvent) => {
    const cell = cellOf(e.target);
    if (cell === undefined || e.altKey || e.metaKey) return;
    const to = move({ row: Number(cell.dataset.row), col: Number(cell.dataset.col) }, e.key, e.ctrlKey, rows, cols);
    if (to === undefined) return;
    e.preventDefault();
    root.current!.querySelector<HTMLElement>(`a[data-row="${to.row}"][data-col="${to.col}"]`)?.focus();
  };
  const pointed = (e: Event) => { said.value = cellOf(e.target)?.getAttribute('aria-label') ?? hint; };
  const focused = (e: Event) => {
    const cell = cellOf(e.target);
    if (cell === undefined) return;
    root.current!.querySelectorAll('a[tabindex="0"]').forEach((a) => a.setAttribute('tabindex', '-1'));
    cell.setAttribute('tabindex', '0');
    pointed(e);
  };

  return (
    <>
      <div ref={root} class={`grid grid-${breadth}`} role="grid" aria-label={label} aria-rowcount={rows} aria-colcount={cols + 1}
        onKeyDown={pressed} onFocusIn={focused} onMouseOver={pointed} onMouseLeave={() => { said.value = hint; }}>
        {head}
        {children}
      </div>
      <p class="readout" aria-hidden="true">{said}</p>
    </>
  );
}

function cellOf(target: EventTarget | null): HTMLElement | undefined {
  const cell = target instanceof Element ? target.closest<HTMLElement>('a[data-col]') : null;
  return cell ?? undefined;
}

/** A row that is drawn again only when one of its properties is another one. */
export abstract class QuietRow<P extends object> extends Component<P> {
  override shouldComponentUpdate(next: Readonly<P>): boolean {
    const old = this.props as Record<string, unknown>;
    const fresh = next as Record<string, unknown>;
    return Object.keys(fresh).some((k) => k !== 'children' && fresh[k] !== old[k]);
  }
}

/** Whether the page is narrow: the grid shows one day, folded. */
export const narrow = signal(false);

/** Follows the width of the page; returns how to stop. */
export function startNarrow(): () => void {
  const query = matchMedia('(max-width: 760px)');
  const changed = () => { narrow.value = query.matches; };
  changed();
  query.addEventListener('change', changed);
  return () => query.removeEventListener('change', changed);
}
