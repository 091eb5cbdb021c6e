import { count } from '../text/numbers';
import { Glyph } from './Glyph';
import { paint } from './states';

/** A state as shape and word, with the number lost or pending where there is one. */
export function Chip({ state, lost = 0, pending = 0 }: { state: string; lost?: number; pending?: number }) {
  const p = paint(state);
  return (
    <span class={`chip tone-${p.tone}`}>
      <Glyph shape={p.shape} />
      {p.label}
      {lost > 0 && <b> {count(lost)}{'\u00a0'}lost</b>}
      {pending > 0 && <b> {count(pending)}{'\u00a0'}pending</b>}
    </span>
  );
}
