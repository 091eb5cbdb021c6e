import { Glyph } from '../state/Glyph';
import { absent, paint, words } from '../state/states';

/** What the shapes mean. */
export function Legend() {
  return (
    <ul class="legend" aria-label="What the shapes mean">
      {[...words.map(paint), absent].map((p) => (
        <li key={p.label} title={p.meaning}>
          <span class={`swatch tone-${p.tone}`}><Glyph shape={p.shape} /></span>
          {p.label}
        </li>
      ))}
      <li title="events that were taken over more than once"><span class="swatch"><i class="mark-double" /></span>Duplicated</li>
      <li title="corrupt, invalid, filtered, rejected and the like"><span class="swatch"><i class="mark-corner" /></span>Other marks</li>
      <li title="a certificate stands for the hour"><span class="swatch"><i class="mark-lock" /></span>Certified</li>
      <li title="every window before it is complete"><span class="swatch"><i class="waterline" /></span>Complete up to here</li>
    </ul>
  );
}
