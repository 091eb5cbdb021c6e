// The one way the pages ask the API. It owns addresses and how a failure is told.
import { refused, shown, token } from './token';
import type { Page, Problem } from './types';

export const base = '/api/v1';

/** A call that failed: status 0 when no answer came at all. */
export class ApiError extends Error {
  constructor(readonly status: number, readonly title: string, readonly detail: string, readonly faults: string[] = []) {
    super(detail === '' ? title : `${title}: ${detail}`);
    this.name = 'ApiError';
  }
}

type Query = Record<string, string | number | undefined>;

/** The address of a call; segments are escaped, absent and empty parameters left out. */
export function address(segments: string[], query: Query = {}): string {
  const path = segments.map(encodeURIComponent).join('/');
  const pairs = Object.entries(query).filter(([, v]) => v !== undefined && v !== '');
  const text = pairs.map(([k, v]) => `${k}=${encodeURIComponent(String(v))}`).join('&');
  return `${base}/${path}${text === '' ? '' : `?${text}`}`;
}

/** Asks with the token of this tab; throws ApiError for a problem or no answer. An abort passes through. */
export async function ask(url: string, headers: Record<string, string>, signal?: AbortSignal, how: Pick<RequestInit, 'method' | 'body'> = {}): Promise<Response> {
  const held = token.peek();
  let answer: Response;
  try {
    answer = await fetch(url, { ...how, headers: { ...headers, ...shown(held) }, signal });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, 'No answer', 'the server could not be reached');
  }
  if (answer.ok) return answer;
  const error = await failure(answer);
  if (error.status === 401) refused(held, error.detail);
  throw error;
}

/** Reads one JSON answer; throws ApiError for a problem, a broken answer or none. An abort passes through. */
export async function get<T>(url: string, signal?: AbortSignal): Promise<T> {
  const answer = await ask(url, { accept: 'application/json' }, signal);
  try {
    return (await answer.json()) as T;
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(answer.status, 'Unreadable answer', 'the server did not send JSON');
  }
}

/** Asks for a change, and waits until the server has made it; throws ApiError where it has not, or where nobody can tell. */
export async function send(method: 'POST' | 'DELETE', segments: string[], body?: unknown): Promise<void> {
  const content: Record<string, string> = body === undefined ? {} : { 'content-type': 'application/json' };
  await ask(address(segments), { accept: 'application/json', ...content }, undefined, { method, body: body === undefined ? undefined : JSON.stringify(body) });
}

async function failure(answer: Response): Promise<ApiError> {
  const usual = answer.statusText === '' ? `Error ${answer.status}` : answer.statusText;
  try {
    const p = (await answer.json()) as Problem;
    const faults = (p.errors ?? []).map((f) => `${f.path}: ${f.message}`);
    return new ApiError(answer.status, p.title ?? usual, p.detail ?? '', faults);
  } catch {
    return new ApiError(answer.status, usual, 'the server gave no reason');
  }
}

const pageBound = 200;

/** Reads a list to its end, page by page; the first page has what is told of the list as a whole, and may say that no more are wanted. */
export async function getPages<P extends Page<unknown>>(segments: string[], query: Query, signal?: AbortSignal, enough = (_first: P) => false): Promise<{ first: P; items: P['items'] }> {
  const items: P['items'] = [];
  let first: P | undefined;
  let cursor: string | undefined;
  for (let i = 0; i < pageBound; i++) {
    const page: P = await get<P>(address(segments, { limit: 1000, ...query, cursor }), signal);
    first ??= page;
    items.push(...(page.items ?? []));
    if (page.next === undefined || page.next === '' || (i === 0 && enough(page))) return { first, items };
    cursor = page.next;
  }
  throw new ApiError(0, 'List too long', `more than ${pageBound} pages`);
}

/** Reads a list to its end, page by page. */
export async function getAll<T>(segments: string[], query: Query, signal?: AbortSignal): Promise<T[]> {
  return (await getPages<Page<T>>(segments, query, signal)).items;
}
