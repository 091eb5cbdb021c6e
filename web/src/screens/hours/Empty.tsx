import { token } from '../../api/token';

/** Before the first report: why the page is empty, and what to do. */
export function Empty() {
  return (
    <section class="first-steps">
      <p>
        Rollcall shows a stream as soon as a hop has sent a report about it. Send one now; it says that the hop <code>app</code>{' '}
        took over two events in the last minute:
      </p>
      <pre tabIndex={0}>{example(location.origin, new Date(), token.value !== undefined)}</pre>
      <p>Or run <code>rollcall demo</code>, which replays real flights through three hops and loses some on purpose.</p>
    </section>
  );
}

/** The curl form of a first report for the minute before the given instant. */
export function example(origin: string, at: Date, guarded = false): string {
  const minute = Math.floor(at.getTime() / 60_000) * 60_000 - 60_000;
  const iso = (ms: number) => new Date(ms).toISOString().replace('.000Z', 'Z');
  const source = `${minute.toString(16).padStart(12, '0').replace(/^(.{8})(.{4})$/, '$1-$2')}-8000-8000-000000000000`;
  const report = {
    stream: 'orders', hop: 'app', emitter: source, host: 'laptop', number: 1, sentAt: iso(minute + 60_000), state: 'RUNNING',
    lanes: { '': iso(minute + 60_000) },
    windows: [{ start: iso(minute), seconds: 60, sources: [{ source, seen: { ranges: [[0, 1]] }, observations: 2 }] }],
  };
  const shown = guarded ? ` \\\n  -H "authorization: Bearer $ROLLCALL_TOKEN"` : '';
  return `curl ${origin}/api/v1/reports${shown} \\\n  -H 'content-type: application/json' \\\n  -d '${JSON.stringify({ reports: [report] }, null, 1).replace(/\n\s*/g, ' ')}'`;
}
