import type { Call } from '../../api/incidents';
import { Glyph } from '../../state/Glyph';
import { standing } from '../../state/incidents';

/** How an incident stands, as shape and word. */
export function Standing({ of: i }: { of: Call }) {
  const p = standing(i);
  return <span class={`chip tone-${p.tone}`}><Glyph shape={p.shape} />{p.label}</span>;
}
