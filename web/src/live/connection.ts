// The one live stream of a tab: server-sent events, and polling while they are not to be had.
import { effect, signal, untracked } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import { ApiError, base, getAll } from '../api/client';
import { refusal, token } from '../api/token';
import type { Stream, Window } from '../api/types';
import { listen } from './events';
import { nothing, read, reduce, type Happening, type Live } from './reducer';

const pollEvery = 10_000;
const reopenAfter = 2_000;
const refusedFor = 30_000;
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

const certificates = new Set<(hour: string) => void>();

/** Tells the hour of each new certificate, also of one that takes another back. */
export function onCertificate(listener: (hour: string) => void): () => void {
  certificates.add(listener);
  return () => certificates.delete(listener);
}

function happen(h: Happening): void {
  const again = h.type === 'polled' || (h.type === 'snapshot' && live.value.snapshots > 0);
  live.value = reduce(live.value, h);
  if (again) listeners.forEach((l) => l('all'));
  if (h.type === 'verdicts') listeners.forEach((l) => l(h.items));
  if (h.type === 'certificate') certificates.forEach((l) => l(h.hour));
}

/** Follows the stream, and polls while it is not to be had; ends with the signal. */
async function follow(stop: AbortSignal): Promise<void> {
  let poll: ReturnType<typeof setInterval> | undefined;
  const ask = () => getAll<Stream>(['streams'], {}, stop).then(
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
  stop.addEventListener('abort', stopPolling);
  for (let last = ''; !stop.aborted;) {
    let wait = reopenAfter;
    try {
      for await (const e of listen(`${base}/stream`, last, stop)) {
        const h = read(e.type, e.data, Date.now());
        last = e.id;
        if (h === undefined) continue;
        stopPolling();
        happen(h);
      }
    } catch (e) {
      if (e instanceof ApiError && e.status > 0) wait = refusedFor; // the server said no: it will for a while
    }
    if (stop.aborted) return;
    startPolling();
    await pause(wait, stop);
  }
}

const pause = (ms: number, stop: AbortSignal) => new Promise<void>((go) => {
  const timer = setTimeout(go, ms);
  stop.addEventListener('abort', () => { clearTimeout(timer); go(); });
});

/** Opens the stream and keeps it, anew with each token and not while one is asked for; returns how to end it. */
export function startLive(): () => void {
  const end = effect(() => {
    void token.value;
    if (refusal.value === undefined) return untracked(begin);
    untracked(() => { live.value = nothing; }); // what another may not see
    return undefined;
  });
  const tick = setInterval(() => {
    now.value = Date.now();
    happen({ type: 'tick', at: now.value });
  }, tickEvery);
  return () => { end(); clearInterval(tick); };
}

function begin(): () => void {
  const stop = new AbortController();
  void follow(stop.signal);
  return () => stop.abort();
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
