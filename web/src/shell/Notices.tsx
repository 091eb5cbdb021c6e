import { useAnswer } from '../api/answer';
import { address, get } from '../api/client';
import type { Status } from '../api/types';
import { now } from '../live/connection';
import { millis, plural } from '../text/numbers';

const slow = 30_000;

/** What the reader must know of the auditor itself before believing a page: demo data, a store that is away, a late pass. */
export function Notices() {
  const minute = Math.floor(now.value / 30_000);
  const { data: s } = useAnswer('status', (signal) => get<Status>(address(['status']), signal), minute);
  if (s === undefined) return null;
  return (
    <aside aria-label="About this service">
      {s.demo && <p class="notice demo"><b>Demo data.</b> What you see was made by <code>rollcall demo</code>; some of it was lost on purpose.</p>}
      {warnings(s).map((text) => <p key={text} class="notice warn" role="status">{text}</p>)}
    </aside>
  );
}

/** Everything that makes the verdicts late or blind. */
export function warnings(s: Status): string[] {
  return [
    s.store === 'away' && 'The store is away: verdicts stand still until it is back.',
    s.kafka === 'away' && 'Kafka is away: reports sent there are not read.',
    s.reconcileAgeMillis > slow && `The last pass was ${millis(s.reconcileAgeMillis)} ago: verdicts are late.`,
    s.quarantined > 0 && `${plural(s.quarantined, 'report')} could not be read; see /api/v1/quarantine.`,
  ].filter((t) => typeof t === 'string');
}
