import type { Trace } from '../../api/types';
import type { Sentence } from '../../parts/Verdict';
import { absent, paint } from '../../state/states';
import { listed } from '../../text/numbers';

/** Where an event has been, in one sentence. A hop without word of it is not yet a loss: only the window's verdict says that. */
export function traceSentence(t: Trace): Sentence {
  const hops = t.hops ?? [];
  const seen = hops.filter((h) => h.seen).map((h) => h.hop);
  const missing = hops.filter((h) => !h.seen).map((h) => h.hop);
  const times = hops.filter((h) => (h.kinds ?? []).includes('duplicated')).map((h) => h.hop);
  const twice = times.length === 0 ? '' : `; ${listed(times)} took it over more than once`;
  if (seen.length === 0) return { paint: absent, text: 'No hop has told of this event.' };
  if (missing.length === 0) return { paint: paint('complete'), text: `Every hop of ${t.stream} saw this event: ${listed(seen)}${twice}.` };
  return { paint: undefined, text: `This event of ${t.stream} was last seen by ${t.lastHop}; ${listed(missing)} ${missing.length === 1 ? 'has' : 'have'} not told of it${twice}.` };
}
