import type { Clock } from '../../api/latency';
import { millis } from '../../text/numbers';

/** How far a clock may seem to be behind before a person hears of it: a report is on its way as long as that. */
const worthTelling = 2000;

/** What the two signs of a host's clock say, and no more: a clock is never said to be right. */
export function clockText(c: Clock): string {
  const ahead = c.atLeastAheadMillis ?? 0;
  const lowest = c.lowestAheadMillis ?? ahead;
  const signs = [
    ahead > 0 && `ahead of the server by at least ${millis(ahead)}`,
    lowest < -worthTelling && `${lowest < ahead - worthTelling ? 'for a part of the time ' : ''}behind it by at most ${millis(-lowest)}, or no report came faster`,
    c.negative > 0 && 'behind that of a producer, or a producer ahead',
  ].filter((t) => typeof t === 'string');
  return signs.length === 0 ? 'no sign that it is off' : signs.join('; ');
}
