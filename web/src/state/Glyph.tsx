import type { Shape } from './states';

const drawn: Record<Exclude<Shape, 'question'>, string> = {
  tick: 'M3.5 8.4l3 3 6-6.6',
  dot: 'M8 8h.01',
  hatch: 'M2.5 9.5l7-7M2.5 13.5l11-11M6.5 13.5l7-7',
  cross: 'M4 4l8 8M12 4l-8 8',
  blank: '',
};

/** The shape of a state, 16 × 16, in the current colour. Always beside or under its word. */
export function Glyph({ shape }: { shape: Shape }) {
  return (
    <svg class={`glyph glyph-${shape}`} viewBox="0 0 16 16" aria-hidden="true">
      {shape === 'question' ? (
        <>
          <rect x="1.5" y="1.5" width="13" height="13" rx="2" />
          <path d="M5.9 6.2a2.1 2.1 0 1 1 3 1.9c-.6.3-.9.7-.9 1.3" />
          <path d="M8 11.8h.01" class="point" />
        </>
      ) : (
        <path d={drawn[shape]} />
      )}
    </svg>
  );
}
