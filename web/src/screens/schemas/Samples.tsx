import type { Sample } from '../../api/schemas';
import { JsonLink } from '../../parts/JsonLink';
import { Trouble } from '../../parts/Trouble';
import { uidPath, windowPath } from '../../router/router';
import { count, plural } from '../../text/numbers';
import { instant } from '../../text/time';
import { OutcomeChip } from './Counts';
import { samplesAddress, useSamples, type Wanted } from './data';

const most = 6;

/** Events that broke their schema, as the hop that checked them shows them: values replaced by their shape. */
export function Samples({ wanted, refresh, level = 'h2' }: { wanted: Wanted; refresh: unknown; level?: 'h2' | 'h3' }) {
  const { data, error, retry } = useSamples(wanted, refresh);
  const rows = (data ?? []).slice(0, most);
  const Heading = level;
  return (
    <div class="samples-part">
      <Heading>Samples of {wanted.hop}{wanted.reason === undefined ? '' : `: ${wanted.reason}`}</Heading>
      <p class="aside">Masked by the hop: values are replaced by their shape, but for fields that it was told to show. A few of each kind are kept, for some days.</p>
      <Trouble error={error} what="the samples" retry={retry} />
      {data && rows.length === 0 && <p class="none">None is kept: nothing broke its schema, the hop sends no samples, or they have expired.</p>}
      <ul class="samples">{rows.map((s) => <One key={`${s.uid} ${s.emitter} ${s.at}`} sample={s} />)}</ul>
      {rows.length > 0 && (
        <p class="pages">
          {data !== undefined && data.length > most ? `The first ${count(most)} of ${plural(data.length, 'sample')} or more.` : `${plural(rows.length, 'sample')}.`}
          <JsonLink url={samplesAddress(wanted)} name={`${wanted.stream}-samples`}>As JSON</JsonLink>
        </p>
      )}
    </div>
  );
}

function One({ sample: s }: { sample: Sample }) {
  return (
    <li>
      <p>
        <OutcomeChip word={s.outcome} />
        <span>{s.schema}{s.version !== undefined && `, version ${s.version}`}</span>
        {s.reason !== undefined && <b>{s.reason}</b>}
        {s.path !== undefined && s.path !== '' && <code>{s.path}</code>}
      </p>
      <pre tabIndex={0} aria-label="Masked payload">{s.payload}{s.cut === true && ' …'}</pre>
      <p class="aside">
        <a class="uid" href={uidPath(s.uid)}>{s.uid}</a> checked {instant(s.at)} UTC{s.host !== undefined && ` on ${s.host}`}, of the <a href={windowPath(s.stream, s.window)}>window of {instant(s.window)}</a>
        {s.cut === true && '; the payload was longer'}
      </p>
    </li>
  );
}
