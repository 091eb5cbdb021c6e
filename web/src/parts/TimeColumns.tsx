import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useRef } from 'preact/hooks';
import { move } from '../grid/keyboard';

export interface TimeColumn { key: number; to: string; says: string; inside?: ComponentChildren }

/** A link for each column of a picture over time: one stop for Tab, arrow keys inside. */
export function TimeColumns({ label, all, say }: { label: string; all: TimeColumn[]; say: (text: string) => void }) {
  const root = useRef<HTMLOListElement>(null);
  const at = useSignal(all.length - 1);
  const spot = Math.min(at.value, all.length - 1);
  const pressed = (e: KeyboardEvent) => {
    const along = ['ArrowLeft', 'ArrowRight', 'Home', 'End'].includes(e.key) && !e.altKey && !e.metaKey;
    const to = along ? move({ row: 0, col: spot }, e.key, e.ctrlKey, 1, all.length) : undefined;
    if (to === undefined) return;
    e.preventDefault();
    at.value = to.col;
    root.current!.querySelectorAll<HTMLElement>('a')[to.col]?.focus();
  };
  return (
    <ol ref={root} class="heat-columns" aria-label={label} onKeyDown={pressed}>
      {all.map((c, i) => (
        <li key={c.key}>
          <a href={c.to} aria-label={c.says} tabIndex={i === spot ? 0 : -1} onFocus={() => { at.value = i; say(c.says); }} onMouseOver={() => say(c.says)}>{c.inside}</a>
        </li>
      ))}
    </ol>
  );
}
