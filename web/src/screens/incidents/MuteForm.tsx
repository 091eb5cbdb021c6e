import type { ComponentChildren } from 'preact';
import { useRef } from 'preact/hooks';
import { send } from '../../api/client';
import type { IncidentDetail } from '../../api/incidents';
import { now } from '../../live/connection';
import { Fault, useAct } from '../../parts/Act';
import { Verdict } from '../../parts/Verdict';
import { go, incidentPath, withView } from '../../router/router';
import { instant } from '../../text/time';
import { useChanges } from './data';
import { readMute, requestOf, scopeText, termNames, terms, type Term } from './mute';
import { Silences } from './Silences';

interface Props { incident: IncidentDetail; query: URLSearchParams; trail: ComponentChildren; changed: () => void }

/** Mutes the calls of an incident. Its address says of what and until when, and there is always an end. */
export function MuteForm({ incident: i, query, trail, changed }: Props) {
  const reason = useRef<HTMLInputElement>(null);
  const mute = readMute(query, i, now.value);
  const changes = useChanges();
  const { busy, fault, run } = useAct(async () => {
    await send('POST', ['silences'], requestOf(i, readMute(query, i, Date.now()), reason.current?.value ?? ''));
    changed();
    go(incidentPath(i.id));
  });
  const until = instant(new Date(mute.end).toISOString());
  return (
    <>
      <Verdict title="Mute" sentence={{ paint: undefined, text: `Once you say why, nobody is called about ${scopeText(i, mute.whole)}, until ${until} UTC.` }}>{trail}</Verdict>
      <div class="tools">
        <nav class="choice" aria-label="Until when">
          {(Object.keys(terms) as Term[]).map((t) => <a key={t} href={withView({ for: t, until: undefined })} aria-current={t === mute.term ? 'true' : undefined}>{termNames[t]}</a>)}
        </nav>
        {i.edge !== undefined && (
          <nav class="choice" aria-label="Of what">
            <a href={withView({ of: undefined })} aria-current={mute.whole ? undefined : 'true'}>This edge</a>
            <a href={withView({ of: 'stream' })} aria-current={mute.whole ? 'true' : undefined}>The whole stream</a>
          </nav>
        )}
      </div>
      <form class="say" onSubmit={(e) => { e.preventDefault(); run(); }}>
        <label for="reason">Why, for those who wonder that nobody was called</label>
        <p><input ref={reason} id="reason" name="reason" defaultValue={mute.reason} maxLength={1000} required autocomplete="off" /><button type="submit" disabled={busy}>Mute until {until} UTC</button></p>
        <Fault text={fault} />
      </form>
      <Silences refresh={changes} stream={i.stream} edge={i.edge} changed={changed} />
    </>
  );
}
