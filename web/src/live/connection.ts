// The one live stream of a tab: server-sent events, and polling while they are not to be had.
import { signal } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import { base, getAll } from '../api/client';
import type { Stream, Window } from '../api/types';
import { nothing, read, reduce, type Happening, type Live } from './reducer';

const pollEvery = 10_000;
const reopenAfter = 30_000;
const tickEvery = 5_000;

/** What the stream has told. */
export const live = signal<Live>(nothing);

/** The time, moved every few seconds; pages that show "now" read it. */
export const now = signal(Date.now());

/** Changed verdicts, or "all" when anything may have changed. */
type Listener = (items: Window[] | 'all') => void;
const listeners = new Set<Listener>();

export function onChange(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function happen(h: Happening): void {
  const again = h.type === 'polled' || (h.type === 'snapshot' && live.value.snapshots > 0);
  live.value = reduce(live.value, h);
  if (again) listeners.forEach((l) => l('all'));
  if (h.type === 'verdicts') listeners.forEach((l) => l(h.items));
}

/** Opens the stream and keeps it; returns how to end it. */
export function startLive(): () => void {
  let source: EventSource;
  let poll: ReturnType<typeof setInterval> | undefined;
  let reopen: ReturnType<typeof setTimeout> | undefined;

  const ask = () => getAll<Stream>(['streams'], {}).then(
    (streams) => happen({ type: 'polled', at: Date.now(), streams }),
    () => undefined, // silence is told as Stale by the tick
  );
  const stopPolling = () => { clearInterval(poll); poll = undefined; };
  const startPolling = () => {
    happen({ type: 'broken', at: Date.now() });
    if (poll !== undefined) return;
    poll = setInterval(ask, pollEvery);
    void ask();
  };
  const open = () => {
    source = new EventSource(`${base}/stream`);
    for (const type of ['snapshot', 'verdicts', 'heartbeat']) {
      source.addEventListener(type, (e) => {
        const h = read(type, (e as MessageEvent<string>).data, Date.now());
        if (h === undefined) return;
        stopPolling();
        happen(h);
      });
    }
    source.onerror = () => {
      startPolling();
      if (source.readyState === EventSource.CLOSED) reopen = setTimeout(open, reopenAfter);
    };
  };
  const tick = setInterval(() => {
    now.value = Date.now();
    happen({ type: 'tick', at: now.value });
  }, tickEvery);
  open();
  return () => { source.close(); stopPolling(); clearTimeout(reopen); clearInterval(tick); };
}

/** A number that rises, at most once in a while, when a verdict that matches has changed. */
export function useRefresh(match: (w: Window) => boolean, every = 1000): number {
  const [n, set] = useState(0);
  const latest = useRef(match);
  latest.current = match;
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const stop = onChange((items) => {
      if (timer !== undefined || (items !== 'all' && !items.some(latest.current))) return;
      timer = setTimeout(() => { timer = undefined; set((x) => x + 1); }, every);
    });
    return () => { stop(); clearTimeout(timer); };
  }, [every]);
  return n;
}
