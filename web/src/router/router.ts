// Addresses. The path is the thing, the query is the view; the browser's history is the only store of both.
import { signal } from '@preact/signals';

export type Route =
  | { page: 'hours' }
  | { page: 'hour'; stream: string; hour: string }
  | { page: 'window'; stream: string; start: string }
  | { page: 'uid'; uid: string }
  | { page: 'latency'; stream: string }
  | { page: 'schemas'; stream: string }
  | { page: 'incidents' }
  | { page: 'incident'; id: string; mute: boolean }
  | { page: 'missing'; path: string };

export interface Place { route: Route; query: URLSearchParams }

/** The route of a path. A path that names nothing, or is not well escaped, is missing. */
export function parse(path: string): Route {
  let parts: string[];
  try {
    parts = path.split('/').filter((p) => p !== '').map(decodeURIComponent);
  } catch {
    return { page: 'missing', path };
  }
  const [first, a, b] = parts;
  if (parts.length === 0 || (parts.length === 1 && first === 'hours')) return { page: 'hours' };
  if (parts.length === 3 && first === 'h') return { page: 'hour', stream: a!, hour: b! };
  if (parts.length === 3 && first === 'w') return { page: 'window', stream: a!, start: b! };
  if (parts.length === 2 && first === 'uid') return { page: 'uid', uid: a! };
  if (parts.length === 2 && first === 'latency') return { page: 'latency', stream: a! };
  if (parts.length === 2 && first === 'schemas') return { page: 'schemas', stream: a! };
  if (parts.length === 1 && first === 'incidents') return { page: 'incidents' };
  if (parts.length === 2 && first === 'incidents') return { page: 'incident', id: a!, mute: false };
  if (parts.length === 3 && first === 'incidents' && b === 'mute') return { page: 'incident', id: a!, mute: true };
  return { page: 'missing', path };
}

// A colon may stand in a path as it is; addresses stay readable.
const segment = (text: string) => encodeURIComponent(text).replaceAll('%3A', ':');

export type View = Record<string, string | undefined>;

/** The query text of a view, with its question mark; absent and empty values are left out. */
export function viewText(view: View): string {
  const q = new URLSearchParams();
  for (const [k, v] of Object.entries(view)) if (v !== undefined && v !== '') q.set(k, v);
  const text = q.toString().replaceAll('%3A', ':');
  return text === '' ? '' : `?${text}`;
}

export const hoursPath = (view: View = {}): string => `/hours${viewText(view)}`;
export const hourPath = (stream: string, hour: string, view: View = {}): string => `/h/${segment(stream)}/${segment(hour)}${viewText(view)}`;
export const windowPath = (stream: string, start: string, view: View = {}): string => `/w/${segment(stream)}/${segment(start)}${viewText(view)}`;
export const latencyPath = (stream: string, view: View = {}): string => `/latency/${segment(stream)}${viewText(view)}`;
export const schemasPath = (stream: string, view: View = {}): string => `/schemas/${segment(stream)}${viewText(view)}`;
export const incidentsPath = (view: View = {}): string => `/incidents${viewText(view)}`;
export const incidentPath = (id: string): string => `/incidents/${segment(id)}`;
export const mutePath = (id: string, view: View = {}): string => `/incidents/${segment(id)}/mute${viewText(view)}`;
export const uidPath = (uid: string): string => `/uid/${segment(uid)}`;

const here = (): Place => ({ route: parse(location.pathname), query: new URLSearchParams(location.search) });

/** Where the reader is. */
export const place = signal<Place>(here());

/** Goes to an address of this site; replace keeps it out of the history. */
export function go(to: string, replace = false): void {
  const samePath = new URL(to, location.href).pathname === location.pathname;
  if (replace) history.replaceState(null, '', to);
  else history.pushState(null, '', to);
  place.value = here();
  if (!samePath) scrollTo(0, 0);
}

/** The address of where the reader is with some of the view changed. */
export function withView(view: View): string {
  const now = Object.fromEntries(new URLSearchParams(location.search));
  return location.pathname + viewText({ ...now, ...view });
}

/** True for a plain click on a link of this site, which needs no page load. */
export function ours(event: MouseEvent, link: HTMLAnchorElement): boolean {
  const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  return plain && !event.defaultPrevented && link.origin === location.origin && link.target === '' &&
    !link.hasAttribute('download') && !link.pathname.startsWith('/api/');
}

/** Listens for back, forward and clicks on links; returns how to stop. */
export function startRouter(): () => void {
  const moved = () => { place.value = here(); };
  const clicked = (event: MouseEvent) => {
    const link = event.target instanceof Element ? event.target.closest('a') : null;
    if (!(link instanceof HTMLAnchorElement) || link.hash !== '' || !ours(event, link)) return;
    event.preventDefault();
    go(link.pathname + link.search);
  };
  addEventListener('popstate', moved);
  document.addEventListener('click', clicked);
  return () => {
    removeEventListener('popstate', moved);
    document.removeEventListener('click', clicked);
  };
}
