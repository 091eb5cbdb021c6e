import { useRef } from 'preact/hooks';
import type { Window } from '../../api/types';
import { go, withView } from '../../router/router';
import { kinds, type Kind } from '../../state/marks';
import { count } from '../../text/numbers';

/** The kind shown when the address names none: the first that has names, else lost. */
export function firstKind(w: Window): Kind {
  return kinds.find((k) => w[k.kind] > 0)?.kind ?? 'lost';
}

const to = (kind: Kind) => withView({ kind, cursor: undefined });

/** One tab a kind, with its number. Arrow keys move, as in any row of tabs. */
export function Kinds({ window: w, kind }: { window: Window; kind: Kind }) {
  const root = useRef<HTMLDivElement>(null);
  const pressed = (e: KeyboardEvent) => {
    const at = kinds.findIndex((k) => k.kind === kind);
    const next = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: kinds.length - 1 }[e.key];
    if (next === undefined) return;
    e.preventDefault();
    const there = kinds[(next + kinds.length) % kinds.length]!.kind;
    go(to(there), true);
    root.current?.querySelector<HTMLElement>(`#tab-${there}`)?.focus();
  };
  return (
    <div ref={root} class="tabs" role="tablist" aria-label="Kinds of named events" onKeyDown={pressed}>
      {kinds.map((k) => (
        <button key={k.kind} id={`tab-${k.kind}`} type="button" role="tab" aria-selected={k.kind === kind} aria-controls="names"
          tabIndex={k.kind === kind ? 0 : -1} class={w[k.kind] > 0 ? `some ${k.tone}` : ''} onClick={() => go(to(k.kind))}>
          {k.label} <b>{count(w[k.kind])}</b>
        </button>
      ))}
    </div>
  );
}
