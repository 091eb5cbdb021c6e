import type { IncidentDetail } from '../../api/incidents';
import { Trouble } from '../../parts/Trouble';
import { Trail, Verdict } from '../../parts/Verdict';
import { hourPath, hoursPath, incidentPath, incidentsPath, mutePath, windowPath } from '../../router/router';
import { absent } from '../../state/states';
import { arrow } from '../../text/edges';
import { count, listed } from '../../text/numbers';
import { clock, day, hourKey, hourStart, instant } from '../../text/time';
import { Ack } from './Ack';
import { useChanges, useIncident } from './data';
import { Hints } from './Hints';
import { MuteForm } from './MuteForm';
import { incidentAnswer } from './sentence';
import { Silences } from './Silences';
import { stepText } from './timeline';
import { Verdicts } from './Verdicts';

interface Props { id: string; mute: boolean; query: URLSearchParams }

/** One incident: what is wrong, why, what it touches, who knows of it; or the form that mutes it. */
export function IncidentPage({ id, mute, query }: Props) {
  const { data: i, error, retry } = useIncident(id);
  const nobody = i === undefined && (error?.status === 404 || error?.status === 400);
  const name = i === undefined ? 'Incident' : `${i.stream}${i.edge === undefined ? '' : ` ${arrow(i.edge)}`}`;
  const last = mute ? [{ text: name, to: incidentPath(id) }, { text: 'Mute' }] : [{ text: name }];
  const sentence = i ? incidentAnswer(i) : nobody ? { paint: absent, text: `There is no incident ${id}.` } : undefined;
  return (
    <>
      {!(mute && i) && (
        <Verdict title={name} sentence={sentence}>
          <Trail parts={[{ text: 'Hours', to: hoursPath() }, { text: 'Incidents', to: incidentsPath() }, ...last]} />
        </Verdict>
      )}
      {nobody ? <p class="none"><a href={incidentsPath({ state: 'all' })}>All incidents</a></p> : <Trouble error={error} what="the incident" retry={retry} />}
      {i && (mute ? <MuteForm incident={i} query={query} changed={retry} trail={<Trail parts={[{ text: 'Hours', to: hoursPath() }, { text: 'Incidents', to: incidentsPath() }, ...last]} />} /> : <Told incident={i} again={retry} />)}
    </>
  );
}

function Told({ incident: i, again }: { incident: IncidentDetail; again: () => void }) {
  const changes = useChanges();
  return (
    <>
      <p class="pages first">
        {i.cause === 'revoked' && <a class="button" href={hourPath(i.stream, hourKey(Date.parse(i.first)))}>The hour</a>}
        {i.edge !== undefined && <a class="button" href={windowPath(i.stream, i.bad > 0 ? i.firstBad : i.first, { edge: i.edge })}>{i.bad > 0 ? 'First bad window' : 'First window'}</a>}
        {i.state === 'open' && <a class="button" href={mutePath(i.id)}>Mute …</a>}
        {i.into !== undefined && <a class="button" href={incidentPath(i.into)}>The incident it is part of</a>}
      </p>
      <dl class="figures">
        <div><dt>Opened, UTC</dt><dd>{instant(i.openedAt)}</dd></div>
        {i.cause !== 'revoked' && <div><dt>Bad windows, of all</dt><dd>{count(i.bad)} / {count(i.windows)}</dd></div>}
        {i.cause !== 'revoked' && <div><dt>Lost</dt><dd class={i.lost > 0 ? 'lost' : ''}>{count(i.lost)}</dd></div>}
        {i.cause !== 'loss' && i.events > 0 && <div><dt>Events it is about</dt><dd>{count(i.events)}</dd></div>}
        {i.cause !== 'revoked' && <div><dt>Expected</dt><dd>{count(i.expected)}</dd></div>}
        <div><dt>Looked after by</dt><dd>{i.ackedBy ?? 'nobody'}{i.ackedAt !== undefined && <small> since {instant(i.ackedAt)}</small>}</dd></div>
      </dl>
      {i.state === 'open' && <Ack id={i.id} done={again} />}
      <Hints incident={i} again={again} />
      <Touched incident={i} />
      <Timeline incident={i} />
      {i.state === 'open' && <Silences refresh={changes} stream={i.stream} edge={i.edge} changed={again} />}
      <Verdicts incident={i} />
    </>
  );
}

function Touched({ incident: i }: { incident: IncidentDetail }) {
  if (i.hours === undefined && i.hops === undefined) return null;
  const hops = i.hops ?? [];
  return (
    <section aria-labelledby="touched">
      <h2 id="touched">What it touches</h2>
      <p>{hops.length === 0 ? 'No later hop is known to miss its events.' : `Its events did not reach ${listed(hops)} either, or not yet.`}</p>
      <ul class="hours-touched" aria-label="Hours it touches">
        {(i.hours ?? []).map((h) => <li key={h}><a href={hourPath(i.stream, h)}>{day(hourStart(h))} {clock(hourStart(h))}</a></li>)}
      </ul>
    </section>
  );
}

function Timeline({ incident: i }: { incident: IncidentDetail }) {
  return (
    <section aria-labelledby="timeline">
      <h2 id="timeline">What happened</h2>
      <ol class="timeline">
        {(i.timeline ?? []).map((s) => <li key={`${s.at} ${s.what} ${s.who ?? ''}`}><time dateTime={s.at}>{instant(s.at)}</time><span>{stepText(s)}.</span></li>)}
      </ol>
    </section>
  );
}
