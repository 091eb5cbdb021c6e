import type { Outcomes, SchemaWindow } from '../../api/schemas';
import { violating } from '../../state/outcomes';
import { count, plural } from '../../text/numbers';
import { span } from '../../text/time';
import { deliveryOf, outcomesOf, type Delivery } from './sums';

/** Windows of one hop in one stretch of time. */
export interface SchemaColumn { from: number; to: number; windows: SchemaWindow[]; sums: Outcomes; delivery: Delivery }

/** At most so many columns of whole windows, the first one at from. */
export function columnsOf(all: SchemaWindow[], from: number, to: number, most: number): SchemaColumn[] {
  const step = Math.min(...all.map((w) => w.seconds * 1000), to - from);
  const width = step * Math.ceil((to - from) / step / most);
  return Array.from({ length: Math.ceil((to - from) / width) }, (_, i) => {
    const start = from + i * width;
    const windows = all.filter((w) => Date.parse(w.start) >= start && Date.parse(w.start) < start + width);
    return { from: start, to: Math.min(start + width, to), windows, sums: outcomesOf(windows), delivery: deliveryOf(windows) };
  });
}

export function columnText(c: SchemaColumn): string {
  const when = `${span(c.from, c.to)} UTC`;
  if (c.sums.checked === 0) return `${when}: nothing checked`;
  const kinds = [[c.sums.invalid, 'invalid'], [c.sums.undecodable, 'undecodable'], [c.sums.unknownSchema, 'of an unknown schema'], [c.sums.deprecated, 'deprecated']] as const;
  const found = kinds.filter(([n]) => n > 0).map(([n, word]) => `${count(n)} ${word}`).join(', ');
  const missing = c.delivery.lost + c.delivery.pending;
  return `${when}: ${plural(c.sums.checked, 'event')} checked, ${found === '' ? 'all valid' : found}${missing > 0 ? `; ${count(missing)} not delivered` : ''}`;
}

/** The most events in one column that are not plainly valid. */
export const mostBad = (all: SchemaColumn[]): number => Math.max(0, ...all.map((c) => violating(c.sums) + c.sums.deprecated));
