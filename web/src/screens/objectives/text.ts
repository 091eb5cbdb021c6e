import type { Objective } from '../../api/objectives';
import { budget } from '../../state/objectives';
import { atMost } from '../../text/latency';
import { count, listed, plural } from '../../text/numbers';

const thin = '\u202f';

/** A target as it was set: 0.9999 is 99.99 %. One below 1 is never rounded up to 100 %. */
export function targetText(share: number): string {
  const percent = Number((share * 100).toFixed(6));
  return `${share < 1 ? Math.min(percent, 99.999999) : percent}${thin}%`;
}

/** What is left of a budget, floored: 99.9 % is not 100 %, and one that is overdrawn is negative. */
export function leftText(left: number): string {
  const tenths = Math.floor(left * 1000 + (left === Math.floor(left) ? 0 : 1e-9)) / 10;
  if (!Number.isFinite(tenths)) return '–';
  const [whole, part] = Math.abs(tenths).toFixed(1).split('.') as [string, string];
  return `${tenths < 0 ? '−' : ''}${count(Number(whole))}${part === '0' ? '' : `.${part}`}${thin}%`;
}

/** What must hold, in words. */
export function goalText(o: Objective): string {
  const within = o.thresholdMillis === undefined ? '' : ` within ${atMost(o.thresholdMillis)}`;
  switch (o.objective) {
    case 'completeness': return `${targetText(o.target)} arrive`;
    case 'timeliness': return `${targetText(o.target)} are in windows that close${within}`;
    case 'latency': return `${targetText(o.target)} are at the last hop${within}`;
    case 'validity': return `${targetText(o.target)} keep their schema`;
    default: return `${targetText(o.target)}${within}`;
  }
}

/** The answer to "is the stream good enough?". */
export function objectivesText(all: Objective[]): string {
  const by = (label: string) => all.filter((o) => budget(o).label === label).map((o) => o.objective);
  const [gone, burning] = [by('Budget used up'), by('Burning too fast')];
  const said = [
    gone.length > 0 && `${budgets(gone)} ${gone.length === 1 ? 'is' : 'are'} used up`,
    burning.length > 0 && `${budgets(burning)} ${burning.length === 1 ? 'burns' : 'burn'} too fast to last`,
  ].filter((t) => typeof t === 'string');
  if (said.length === 0) return `${plural(all.length, 'objective')}; no budget is used up, and none burns too fast.`;
  return all.length === 1 ? `The ${said[0]!.slice('the '.length)}.` : `Of ${plural(all.length, 'objective')}, ${listed(said)}.`;
}

const budgets = (names: string[]) => `the ${names.length === 1 ? 'budget' : 'budgets'} of ${listed(names)}`;

/** A span of time: 1 h, 3 d. */
export function spanText(ms: number): string {
  if (ms % 86_400_000 === 0) return `${ms / 86_400_000}${thin}d`;
  if (ms % 3_600_000 === 0) return `${ms / 3_600_000}${thin}h`;
  return `${Math.round(ms / 60_000)}${thin}min`;
}
