import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { ask } from '../api/client';
import { token } from '../api/token';

/** A link to an answer of the API. A browser that follows it shows no token: where one is needed the answer is fetched and saved. */
export function JsonLink({ url, name, children }: { url: string; name: string; children: ComponentChildren }) {
  const [fault, setFault] = useState('');
  const clicked = (e: Event) => {
    if (token.value === undefined) return;
    e.preventDefault();
    save(url, name).then(() => setFault(''), (error: unknown) => setFault(String(error)));
  };
  return <><a href={url} onClick={clicked}>{children}</a>{fault !== '' && <span role="alert"> {fault}</span>}</>;
}

async function save(url: string, name: string): Promise<void> {
  const answer = await ask(url, { accept: 'application/json' });
  const link = document.createElement('a');
  link.href = URL.createObjectURL(await answer.blob());
  link.download = `${name}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
