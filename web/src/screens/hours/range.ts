// Which hours the grid shows, read from the address and written back to it.
import { clock, date, day, dayMs, floorDay, floorHour, hourKey, hourMs, hourStart } from '../../text/time';

export type Span = '24h' | '7d' | 'day';

export interface Range {
  span: Span;
  /** Start of the first hour and end of the last, Unix ms. */
  from: number;
  to: number;
  /** The range ends with the current hour and moves with it. */
  current: boolean;
}

const lengths: Record<Span, number> = { '24h': dayMs, '7d': 7 * dayMs, day: dayMs };

/** Reads the view. A narrow page shows one UTC day whatever the span; a bad hour is taken for now. */
export function readRange(query: URLSearchParams, nowMs: number, narrow: boolean): Range {
  const live = floorHour(nowMs) + hourMs;
  const asked = hourStart(query.get('to') ?? '');
  const to = Number.isFinite(asked) && asked < live ? asked : live;
  const span: Span = narrow ? 'day' : query.get('span') === '7d' ? '7d' : '24h';
  if (span === 'day') {
    const from = floorDay(to - 1);
    return { span, from, to: from + dayMs, current: from + dayMs > live - hourMs };
  }
  return { span, from: to - lengths[span], to, current: to === live };
}

/** The view that shows the range moved by its own length; the current hour is written as no hour at all. */
export function shifted(r: Range, by: -1 | 1, nowMs: number): { span: string | undefined; to: string | undefined } {
  const to = r.to + by * lengths[r.span];
  return { span: r.span === '7d' ? '7d' : undefined, to: to > floorHour(nowMs) ? undefined : hourKey(to) };
}

/** "in the 24 hours to now", as it stands in a sentence. */
export function spoken(r: Range): string {
  if (r.span === 'day') return `on ${day(r.from)} UTC`;
  const end = r.current ? 'now' : `${date(r.to)} ${clock(r.to)} UTC`;
  return r.span === '7d' ? `in the 7 days to ${end}` : `in the 24 hours to ${end}`;
}

/** The starts of the range's hours. */
export function hoursOf(r: Range): number[] {
  return Array.from({ length: (r.to - r.from) / hourMs }, (_, i) => r.from + i * hourMs);
}
