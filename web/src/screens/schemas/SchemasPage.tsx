import type { SchemaCount } from '../../api/schemas';
import { now } from '../../live/connection';
import { RangeTools } from '../../parts/RangeTools';
import { readRange, spoken } from '../../parts/range';
import { Trouble } from '../../parts/Trouble';
import { Trail, Verdict, type Sentence } from '../../parts/Verdict';
import { hourPath, hoursPath, withView } from '../../router/router';
import { absent } from '../../state/states';
import { hourKey } from '../../text/time';
import { Objectives } from '../objectives/Objectives';
import { Counts, Hosts } from './Counts';
import { useSchemas, type Told } from './data';
import { Picture } from './Picture';
import { Samples } from './Samples';
import { schemasSentence } from './sentence';
import { countsOf, deliveryOf, hopOf, hostsOf, outcomesOf } from './sums';
import { Versions } from './Versions';
import { WindowRows } from './WindowRows';

/** Whether the events of a stream keep their schemas, over a range of time, beside how complete they are. */
export function SchemasPage({ stream, query }: { stream: string; query: URLSearchParams }) {
  const range = readRange(query, now.value);
  const { data, error, retry } = useSchemas(stream, range);
  const unknown = error?.status === 404 && data === undefined;
  const hop = data && hopOf(data.windows, query.get('hop'));
  const sentence = unknown ? { paint: absent, text: `There is no stream ${stream}: no report has named it.` } : data && sentenceOf(data, stream, hop);
  return (
    <>
      <Verdict title={`${stream} schemas`} sentence={sentence}>
        <Trail parts={[{ text: 'Hours', to: hoursPath() }, { text: stream, to: hourPath(stream, hourKey(range.to - 1)) }, { text: 'Schemas' }]} />
      </Verdict>
      {unknown ? <p class="none"><a href={hoursPath()}>All hours</a> show which streams there are.</p> : <Trouble error={error} what="the schemas" retry={retry} />}
      {!unknown && <RangeTools range={range} />}
      {data && hop === undefined && <p class="none">Either nothing was produced in this time, or no hop is told to check schemas: a hop does where its client has a schema to check with.</p>}
      {data && hop !== undefined && <Body told={data} stream={stream} hop={hop} query={query} />}
    </>
  );
}

function sentenceOf(told: Told, stream: string, hop: string | undefined): Sentence {
  const of = `the events of ${stream} produced ${spoken(told.range)}`;
  if (hop === undefined) return { paint: absent, text: `No hop checked the schemas of ${of}.` };
  const windows = told.windows.filter((w) => w.hop === hop);
  return schemasSentence(outcomesOf(windows), deliveryOf(windows), of, hop, told.hops.find((h) => h.hop === hop));
}

function Body({ told, stream, hop, query }: { told: Told; stream: string; hop: string; query: URLSearchParams }) {
  const windows = told.windows.filter((w) => w.hop === hop);
  const hops = [...new Set(told.windows.map((w) => w.hop))];
  const wanted = { schema: query.get('schema') ?? undefined, version: query.get('version') ?? undefined, reason: query.get('reason') ?? undefined };
  const only = (c?: SchemaCount) => withView({ schema: c?.schema, version: c?.version, reason: c?.reason });
  const chosen = (c: SchemaCount) => wanted.schema !== undefined && c.schema === wanted.schema && c.version === wanted.version && c.reason === wanted.reason;
  return (
    <>
      {hops.length > 1 && (
        <nav class="choice" aria-label="Hop">{hops.map((h) => <a key={h} href={withView({ hop: h, schema: undefined, version: undefined, reason: undefined })} aria-current={h === hop ? 'true' : undefined}>{h}</a>)}</nav>
      )}
      {windows.length > 0 && <Picture stream={stream} hop={hop} windows={windows} range={told.range} />}
      <section aria-labelledby="reasons">
        <h2 id="reasons">By outcome and reason</h2>
        <Counts all={countsOf(windows)} to={only} chosen={chosen} />
        <div class="side-by-side">
          <Hosts label="Produced on" all={hostsOf(windows.flatMap((w) => w.sources ?? []))} />
          <Hosts label="Found by" all={hostsOf(windows.flatMap((w) => w.emitters ?? []))} />
        </div>
      </section>
      <section aria-label="Samples">
        <Samples wanted={{ stream, hop, from: told.range.from, to: told.range.to, ...wanted }} refresh={told} />
        {wanted.schema !== undefined && <p><a href={only()}>Samples of every reason</a></p>}
      </section>
      <Objectives stream={stream} only={['validity']} />
      <Versions all={told.versions.filter((v) => v.hop === hop)} />
      <WindowRows windows={windows} stream={stream} />
    </>
  );
}
