import type { Clock } from '../../api/latency';
import { millis } from '../../text/numbers';

/** What the two signs of a host's clock say, and no more: a clock is never said to be right. */
export function clockText(c: Clock): string {
  const ahead = c.atLeastAheadMillis ?? 0;
  const signs = [
    ahead > 0 && `ahead of the server by at least ${millis(ahead)}`,
    c.negative > 0 && 'behind that of a producer, or a producer ahead',
  ].filter((t) => typeof t === 'string');
  return signs.length === 0 ? 'no sign that it is off' : signs.join('; ');
}
