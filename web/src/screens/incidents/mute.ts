// What a mute form's address says: of what, until when, and why. Whatever it says, there is an end.
import type { Call, SilenceRequest } from '../../api/incidents';
import { arrow } from '../../text/edges';
import { dayMs, hourMs, minuteMs } from '../../text/time';

export const terms = { '1h': hourMs, '4h': 4 * hourMs, '12h': 12 * hourMs, '1d': dayMs, '7d': 7 * dayMs } as const;
export type Term = keyof typeof terms;
export const termNames: Record<Term, string> = { '1h': '1 hour', '4h': '4 hours', '12h': '12 hours', '1d': '1 day', '7d': '7 days' };

const usual: Term = '4h';
const longest = 366 * dayMs;

export interface Mute {
  /** Undefined where the address names an instant instead. */
  term: Term | undefined;
  /** Unix ms, after now. */
  end: number;
  /** Only this edge, or the whole stream. */
  whole: boolean;
  reason: string;
}

/** Reads the address; an end that is none, has passed or is more than a year away is four hours from now. */
export function readMute(query: URLSearchParams, i: Pick<Call, 'edge'>, now: number): Mute {
  const asked = query.get('for');
  const until = Date.parse(query.get('until') ?? '');
  const exact = until > now && until - now < longest;
  const term = asked !== null && Object.hasOwn(terms, asked) ? (asked as Term) : usual;
  const end = exact ? until : Math.ceil((now + terms[term]) / minuteMs) * minuteMs;
  return { term: exact ? undefined : term, end, whole: i.edge === undefined || query.get('of') === 'stream', reason: query.get('reason') ?? '' };
}

/** What is muted, in words. */
export const scopeText = (i: Pick<Call, 'stream' | 'edge'>, whole: boolean): string => (whole ? `${i.stream}, all of it` : `${i.stream}, ${arrow(i.edge ?? '')}`);

export function requestOf(i: Pick<Call, 'stream' | 'edge'>, m: Mute, reason: string): SilenceRequest {
  return { stream: i.stream, edge: m.whole ? undefined : i.edge, end: new Date(m.end).toISOString(), reason: reason.trim() };
}
