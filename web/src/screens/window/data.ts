import { useAnswer } from '../../api/answer';
import { address, get, getAll } from '../../api/client';
import type { SchemasPage } from '../../api/schemas';
import type { LatencyPage } from '../../api/latency';
import type { Evidence, Page, Uid, Window, WindowDetail } from '../../api/types';
import { useRefresh } from '../../live/connection';
import type { Kind } from '../../state/marks';
import { paint } from '../../state/states';
import { ordered } from '../../text/edges';
import { stamp } from '../../text/time';

/** The rows of a window, one an edge, in the order events pass them. */
export function useEdges(stream: string, start: number) {
  const refresh = useRefresh((w) => w.stream === stream && Date.parse(w.start) === start);
  const load = (signal: AbortSignal) => getAll<Window>(['streams', stream, 'windows'], { from: stamp(start), to: stamp(start + 1000) }, signal).then(inOrder);
  return { answer: useAnswer(`edges ${stream} ${start}`, load, refresh), refresh };
}

function inOrder(rows: Window[]): Window[] {
  const order = ordered(rows.map((w) => w.edge));
  return [...rows].sort((a, b) => order.indexOf(a.edge) - order.indexOf(b.edge));
}

/** The row asked for, else the worst one, else undefined. */
export function chosen(rows: Window[], edge: string | null): Window | undefined {
  if (edge !== null) return rows.find((w) => w.edge === edge);
  return rows.reduce<Window | undefined>((worst, w) => (worst === undefined || paint(w.state).rank > paint(worst.state).rank ? w : worst), undefined);
}

const windowAt = (w: Window) => ['streams', w.stream, 'windows', w.start];

export const pageSize = 100;

/** The address of one page of names. */
export const uidsAddress = (w: Window, kind: Kind, cursor?: string): string =>
  address([...windowAt(w), 'uids'], { edge: w.edge, kind, limit: pageSize, cursor });

export function useUids(w: Window, kind: Kind, cursor: string | undefined, refresh: number) {
  const url = uidsAddress(w, kind, cursor);
  return useAnswer(url, (signal) => get<Page<Uid>>(url, signal), refresh);
}

export function useDetail(w: Window, refresh: number) {
  const url = address(windowAt(w), { edge: w.edge });
  return useAnswer(url, (signal) => get<WindowDetail>(url, signal), refresh);
}

export function useEvidence(w: Window, refresh: number) {
  const url = address([...windowAt(w), 'evidence'], { edge: w.edge });
  return useAnswer(url, (signal) => get<Evidence>(url, signal), refresh);
}

/** The latency of all ways in one window. */
export function useLateness(w: Window, refresh: number) {
  const start = Date.parse(w.start);
  const url = address(['streams', w.stream, 'latency'], { from: stamp(start), to: stamp(start + 1000), limit: 1000 });
  return useAnswer(url, (signal) => get<LatencyPage>(url, signal), refresh);
}

/** What every hop that checks schemas found in one window. */
export function useChecked(w: Window, refresh: number) {
  const start = Date.parse(w.start);
  const url = address(['streams', w.stream, 'schemas'], { from: stamp(start), to: stamp(start + 1000) });
  return useAnswer(url, (signal) => get<SchemasPage>(url, signal), refresh);
}
