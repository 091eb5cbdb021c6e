import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';

/** What becomes of a change that a reader asked for: busy until the server has answered, and its words where it refused. */
export function useAct(act: () => Promise<void>): { busy: boolean; fault: string; run: () => void } {
  const [busy, setBusy] = useState(false);
  const [fault, setFault] = useState('');
  const run = () => {
    if (busy) return;
    setBusy(true);
    act().then(() => setFault(''), (e: unknown) => setFault(e instanceof Error ? e.message : String(e))).finally(() => setBusy(false));
  };
  return { busy, fault, run };
}

/** A button that asks for a change. */
export function ActButton({ act, children }: { act: () => Promise<void>; children: ComponentChildren }) {
  const { busy, fault, run } = useAct(act);
  return <><button type="button" disabled={busy} onClick={run}>{children}</button><Fault text={fault} /></>;
}

export const Fault = ({ text }: { text: string }) => (text === '' ? null : <p class="trouble" role="alert">{text}</p>);
