// Windows that are not closed as text: what a headline says is never more certain than the windows it rests on.
import { count, plural } from './numbers';

/** How many windows a figure is of, and of how many of them more may be known later. */
export interface Standing { windows: number; notClosed: number; unknown?: number }

/** How many of the windows are not closed, to go on with; empty where all are. */
export function openText(s: Partial<Standing>): string {
  const open = s.notClosed ?? 0;
  if (open === 0) return '';
  const unknown = s.unknown ?? 0;
  return `; ${count(open)} of ${plural(s.windows ?? 0, 'window')} not closed${unknown === 0 ? '' : `, ${count(unknown)} of them unknown`}`;
}

/** Whether all that is told rests on closed windows. */
export const settled = (s: Partial<Standing>): boolean => (s.notClosed ?? 0) === 0;
