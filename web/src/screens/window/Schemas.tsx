import type { SchemaWindow } from '../../api/schemas';
import type { Window } from '../../api/types';
import { Trouble } from '../../parts/Trouble';
import { schemasPath } from '../../router/router';
import { Glyph } from '../../state/Glyph';
import { violating, worstOf } from '../../state/outcomes';
import { ends } from '../../text/edges';
import { floorHour, hourMs, stamp } from '../../text/time';
import { Counts, Hosts } from '../schemas/Counts';
import { Samples } from '../schemas/Samples';
import { spaced } from '../schemas/sentence';
import { useChecked } from './data';

/** Whether the window's events keep their schema, as each hop that checked them found. */
export function Schemas({ window: w, refresh }: { window: Window; refresh: number }) {
  const { data, error, retry } = useChecked(w, refresh);
  const hop = ends(w.edge)[1];
  const rows = data?.items ?? [];
  const hour = floorHour(Date.parse(w.start));
  return (
    <section aria-labelledby="schemas">
      <h2 id="schemas">Schemas</h2>
      <Trouble error={error} what="what was found of schemas" retry={retry} />
      {data && !rows.some((r) => r.hop === hop) && <p class="none">{hop} checked no schema in this window.</p>}
      {rows.map((r) => <Found key={r.hop} row={r} stream={w.stream} refresh={refresh} />)}
      <p class="pages"><a href={schemasPath(w.stream, { hop: rows.some((r) => r.hop === hop) ? hop : undefined, from: stamp(hour), to: stamp(hour + hourMs) })}>Schemas over the hour</a></p>
    </section>
  );
}

function Found({ row: r, stream, refresh }: { row: SchemaWindow; stream: string; refresh: number }) {
  const p = worstOf(r);
  const start = Date.parse(r.start);
  return (
    <div class="found-part">
      <p class={`said tone-${p?.tone ?? 'absent'}`}>{p !== undefined && <Glyph shape={p.shape} />}<span>{r.hop}: {spaced(r.sentence)}.</span></p>
      <Counts all={r.counts ?? []} />
      {violating(r) + r.deprecated > 0 && (
        <>
          <div class="side-by-side">
            <Hosts label="Produced on" all={r.sources ?? []} />
            <Hosts label="Found by" all={r.emitters ?? []} />
          </div>
          <Samples wanted={{ stream, hop: r.hop, from: start, to: start + 1000 }} refresh={refresh} level="h3" />
        </>
      )}
    </div>
  );
}
