import { useAnswer } from '../../api/answer';
import { getAll } from '../../api/client';
import type { Incident } from '../../api/types';
import { live, useRefresh } from '../../live/connection';
import { incidentPath as pagePath } from '../../router/router';
import { Trouble } from '../../parts/Trouble';
import { Glyph } from '../../state/Glyph';
import { incidentPaint, incidentPath, incidentSentence } from './incident';

/** The open incidents, a line each; nothing when there are none. */
export function Incidents() {
  const missed = useRefresh(() => false); // rises when any change may have been missed
  const { data, error, retry } = useAnswer('incidents', (signal) => getAll<Incident>(['incidents'], { state: 'open' }, signal), missed + live.value.incidents);
  return (
    <>
      <Trouble error={error} what="the incidents" retry={retry} />
      {data !== undefined && data.length > 0 && (
        <section class="calls" aria-label="Open incidents">
          <ul>{data.map((i) => <Line key={i.id} incident={i} />)}</ul>
        </section>
      )}
    </>
  );
}

function Line({ incident }: { incident: Incident }) {
  const paint = incidentPaint(incident);
  return (
    <li>
      <span class={`chip tone-${paint.tone}`}><Glyph shape={paint.shape} />{paint.label}</span>
      <a href={incidentPath(incident)}>{incidentSentence(incident)}</a>
      <a class="more" href={pagePath(incident.id)}>Why, and who knows<span class="hidden"> of the incident of {incident.stream} {incident.edge}</span></a>
    </li>
  );
}
