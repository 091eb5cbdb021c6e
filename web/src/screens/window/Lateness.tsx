import type { Window } from '../../api/types';
import { Trouble } from '../../parts/Trouble';
import { latencyPath } from '../../router/router';
import { ends } from '../../text/edges';
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
  const silent = mine === undefined || mine.measured + mine.negative === 0;
  const measured = rows.some((r) => r.measured + r.negative > 0);
  const hour = floorHour(Date.parse(w.start));
  const over = (of: string) => latencyPath(w.stream, { of, from: stamp(hour), to: stamp(hour + hourMs) });
  return (
    <section aria-labelledby="latency">
      <h2 id="latency">Latency</h2>
      <Trouble error={error} what="the latency" retry={retry} />
      {data && silent && <p class="none">{ends(w.edge)[1]} measured no latency in this window.</p>}
      {mine && !silent && <p>{latencySentence(mine, "the window's events").text}</p>}
      {mine && !silent && <Histogram of={mine} />}
      {measured && <WayNote all={rows} />}
      {measured && <WayTable all={rows} chosen={w.edge} to={(r) => over(wayKey(r))} />}
      <p class="pages"><a href={over(w.edge)}>Latency over the hour</a></p>
    </section>
  );
}
