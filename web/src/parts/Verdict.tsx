import type { ComponentChildren } from 'preact';
import { useEffect } from 'preact/hooks';
import { Glyph } from '../state/Glyph';
import type { Paint } from '../state/states';

export interface Sentence { paint: Paint | undefined; text: string }

/** The one sentence a page begins with, after the way back and beside its state. */
export function Verdict({ sentence, title, children }: { sentence: Sentence | undefined; title: string; children?: ComponentChildren }) {
  useEffect(() => { document.title = `${title} · Rollcall`; }, [title]);
  const paint = sentence?.paint;
  return (
    <header class="verdict">
      {children}
      <h1 class={paint === undefined ? '' : `tone-${paint.tone}`}>
        {paint !== undefined && paint.shape !== 'blank' && <Glyph shape={paint.shape} />}
        <span>{sentence?.text ?? `Asking about ${title} …`}</span>
      </h1>
    </header>
  );
}

/** The way back: each part but the last is a link. */
export function Trail({ parts }: { parts: { text: string; to?: string }[] }) {
  return (
    <nav class="trail" aria-label="Where you are">
      <ol>{parts.map((p) => <li key={p.text}>{p.to === undefined ? <span aria-current="page">{p.text}</span> : <a href={p.to}>{p.text}</a>}</li>)}</ol>
    </nav>
  );
}
