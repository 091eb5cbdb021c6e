import { useEffect } from 'preact/hooks';
import { now } from '../live/connection';
import { go, place, withView } from '../router/router';
import { lengths, readRange, shifted, viewOf, type Length, type Range } from './range';

const names: Record<Length, string> = { '15m': '15 minutes', '1h': '1 hour', '6h': '6 hours', '24h': '24 hours' };
const at = (r: Range) => withView(viewOf(r));

/** Earlier, later, now, and how long; [ and ] do the same. */
export function RangeTools({ range }: { range: Range }) {
  useShiftKeys();
  const live = range.length !== undefined;
  return (
    <div class="tools">
      <div class="shift">
        <a class="button" href={at(shifted(range, -1, now.value))}>← Earlier</a>
        {live ? <span class="button off" aria-disabled="true">Later →</span> : <a class="button" href={at(shifted(range, 1, now.value))}>Later →</a>}
        {!live && <a class="button" href={withView({ from: undefined, to: undefined })}>Now</a>}
      </div>
      <nav class="choice" aria-label="Length of time shown">
        {(Object.keys(lengths) as Length[]).map((l) => (
          <a key={l} href={at({ from: 0, to: 0, length: l })} aria-current={range.length === l ? 'true' : undefined}>{names[l]}</a>
        ))}
      </nav>
    </div>
  );
}

function useShiftKeys(): void {
  useEffect(() => {
    const pressed = (e: KeyboardEvent) => {
      if (e.target instanceof HTMLInputElement || e.ctrlKey || e.metaKey || e.altKey) return;
      const range = readRange(place.value.query, now.value); // as it is now, drawn or not
      if (e.key === '[') go(at(shifted(range, -1, now.value)));
      if (e.key === ']' && range.length === undefined) go(at(shifted(range, 1, now.value)));
    };
    addEventListener('keydown', pressed);
    return () => removeEventListener('keydown', pressed);
  }, []);
}
