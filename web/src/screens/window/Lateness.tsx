import type { Window } from '../../api/types';
import { Trouble } from '../../parts/Trouble';
import { latencyPath } from '../../router/router';
import { wayKey } from '../../text/latency';
import { floorHour, hourMs, stamp } from '../../text/time';
import { latencySentence } from '../latency/sentence';
import { WayNote, WayTable } from '../latency/Ways';
import { useLateness } from './data';
import { Histogram } from './Histogram';

/** How late the window's events were, at each hop; what has not arrived stands beside the rest. */
export function Lateness({ window: w, refresh }: { window: Window; refresh: number }) {
  const { data, error, retry } = useLateness(w, refresh);
  const rows = data?.items ?? [];
  const mine = rows.find((r) => r.edge === w.edge);
  const hour = floorHour(Date.parse(w.start));
  const over = (of: string) => latencyPath(w.stream, { of, from: stamp(hour), to: stamp(hour + hourMs) });
  return (
    <section aria-labelledby="latency">
      <h2 id="latency">Latency</h2>
      <Trouble error={error} what="the latency" retry={retry} />
      {data && mine === undefined && <p class="none">Nothing was measured on this edge in this window, and nothing is missing.</p>}
      {mine && <p>{latencySentence(mine, "the window's events").text}</p>}
      {mine && <Histogram of={mine} />}
      {rows.length > 0 && <WayNote all={rows} />}
      {rows.length > 0 && <WayTable all={rows} chosen={w.edge} to={(r) => over(wayKey(r))} />}
      <p class="pages"><a href={over(w.edge)}>Latency over the hour</a></p>
    </section>
  );
}
