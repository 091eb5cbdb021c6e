// What the live stream has told so far, as a pure function of what happened.
import type { Stream, Window } from '../api/types';

export type Mode = 'connecting' | 'live' | 'polling' | 'stale';

export interface Live {
  mode: Mode;
  /** When the server was last heard, in Unix ms; 0 before. */
  heard: number;
  /** The streams as last told; undefined before the first word. */
  streams: Stream[] | undefined;
  /** Whether a snapshot came before: a second one means that verdicts may have been missed. */
  snapshots: number;
  /** How often an incident changed. */
  incidents: number;
}

export type Happening =
  | { type: 'snapshot'; at: number; streams: Stream[] }
  | { type: 'verdicts'; at: number; items: Window[] }
  | { type: 'incident'; at: number }
  | { type: 'certificate'; at: number; hour: string }
  | { type: 'heartbeat'; at: number }
  | { type: 'broken'; at: number }
  | { type: 'polled'; at: number; streams: Stream[] }
  | { type: 'tick'; at: number };

/** Silence after which what is shown is called stale. */
export const staleAfter = 45_000;

export const nothing: Live = { mode: 'connecting', heard: 0, streams: undefined, snapshots: 0, incidents: 0 };

export function reduce(live: Live, h: Happening): Live {
  switch (h.type) {
    case 'snapshot':
      return { ...live, mode: 'live', heard: h.at, streams: h.streams, snapshots: live.snapshots + 1 };
    case 'verdicts':
      return { ...live, mode: 'live', heard: h.at, streams: withVerdicts(live.streams, h.items) };
    case 'incident':
      return { ...live, mode: 'live', heard: h.at, incidents: live.incidents + 1 };
    case 'certificate':
    case 'heartbeat':
      return { ...live, mode: 'live', heard: h.at };
    case 'polled':
      return { ...live, mode: live.mode === 'live' ? 'live' : 'polling', heard: h.at, streams: h.streams };
    case 'broken':
      return live.mode === 'stale' ? live : { ...live, mode: live.heard === 0 ? 'connecting' : 'polling' };
    case 'tick':
      return silent(live, h.at) ? { ...live, mode: 'stale' } : live;
  }
}

const silent = (live: Live, at: number) => live.mode !== 'stale' && live.heard > 0 && at - live.heard > staleAfter;

/** Puts changed verdicts in the place of the streams' last ones; an older window never replaces a newer. */
function withVerdicts(streams: Stream[] | undefined, items: Window[]): Stream[] | undefined {
  if (streams === undefined || items.length === 0) return streams;
  return streams.map((s) => {
    const mine = items.filter((w) => w.stream === s.stream);
    return mine.length === 0 ? s : { ...s, last: mine.reduce(replaceLast, s.last ?? []) };
  });
}

function replaceLast(last: Window[], w: Window): Window[] {
  const i = last.findIndex((l) => l.edge === w.edge);
  if (i < 0 || w.state === 'open') return last;
  return Date.parse(w.start) < Date.parse(last[i]!.start) ? last : last.with(i, w);
}

/** Reads the data of one server-sent event; undefined when it is not what its type promises. */
export function read(type: string, data: string, at: number): Happening | undefined {
  let body: { streams?: unknown; items?: unknown; hour?: unknown } | null;
  try {
    body = JSON.parse(data) as typeof body;
  } catch {
    return undefined;
  }
  if (type === 'heartbeat' || type === 'incident') return { type, at };
  if (type === 'certificate' && typeof body?.hour === 'string') return { type, at, hour: body.hour };
  if (type === 'snapshot' && Array.isArray(body?.streams)) return { type, at, streams: body.streams as Stream[] };
  if (type === 'verdicts' && Array.isArray(body?.items)) return { type, at, items: body.items as Window[] };
  return undefined;
}
