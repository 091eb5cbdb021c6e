// What the made-up world of world.mjs measured: latencies, in the API's shapes, consistent with its windows.
import { edgesOf, find, windowsIn } from './world.mjs';

const bound = (i) => 2 ** (i / 4);
const shape = [1, 3, 9, 20, 24, 18, 11, 7, 4, 2, 1]; // percent of the events in neighbouring buckets

/** The buckets of n events around the i-th one; nothing is lost by rounding. */
function bucketsOf(n, i) {
  let left = n;
  const counts = shape.map((share) => { const c = Math.floor((n * share) / 100); left -= c; return c; });
  counts[4] += left;
  return counts.map((count, k) => ({ lower: bound(i + k), upper: bound(i + k + 1), count })).filter((b) => b.count > 0);
}

function quantile(d, thousandths) {
  const arrived = d.measured + d.negative;
  const at = (thousandths * (arrived + d.notArrived)) / 1000;
  if (at > arrived) return { notArrived: true };
  if (d.measured === 0) return undefined;
  let rank = Math.max(1, Math.ceil((at * d.measured) / arrived));
  const b = d.buckets.find((x) => (rank -= x.count) <= 0) ?? d.buckets.at(-1);
  return { lower: b.lower, upper: b.upper };
}

function grouped(rows, keyOf) {
  const found = new Map();
  for (const r of rows) found.set(keyOf(r), [...(found.get(keyOf(r)) ?? []), r]);
  return found;
}

/** How many windows may still change, each told by its verdicts. */
function standing(windows) {
  const unknown = windows.filter((all) => all.some((w) => w.state === 'unknown')).length;
  const open = windows.filter((all) => all.some((w) => !['complete', 'incomplete'].includes(w.state))).length;
  return { windows: windows.length, notClosed: open, ...(unknown > 0 ? { unknown } : {}) };
}

const figures = (d) => ({ p50: quantile(d, 500), p95: quantile(d, 950), p99: quantile(d, 990), max: quantile(d, 1000), relativeError: 0.0905, arrived: d.measured + d.negative, ...d });

function merged(rows) {
  const buckets = new Map();
  const d = { measured: 0, negative: 0, notArrived: 0 };
  for (const r of rows) {
    for (const k of Object.keys(d)) d[k] += r[k];
    for (const b of r.buckets) buckets.set(b.lower, { ...b, count: b.count + (buckets.get(b.lower)?.count ?? 0) });
  }
  return figures({ ...d, buckets: [...buckets.values()].sort((a, b) => a.lower - b.lower) });
}

/** The rows of one window: its edges, then its hops. */
function rowsAt(s, windows) {
  const { start, seconds } = windows[0];
  const slow = (Date.parse(start) / 60_000) % 17 === 0 ? 6 : 0;
  const before = s.stream === 'orders' ? 3 : 0; // a clock that is behind
  const distribution = (n, hop, notArrived) => {
    const negative = Math.min(n, before * hop);
    return figures({ measured: n - negative, negative, notArrived, buckets: bucketsOf(n - negative, hop * 12 + slow) });
  };
  const edges = windows.map((w, i) => ({ start, seconds, edge: w.edge, hop: s.hops[i + 1], ...distribution(w.delivered, i + 1, w.lost + w.pending) }));
  const hops = s.hops.map((hop, h) => {
    const missing = windows.slice(0, h).reduce((n, w) => n + w.lost + w.pending, 0);
    const here = h === 0 ? windows[0].produced : windows[h - 1].delivered;
    return { start, seconds, hop, ...(h === s.hops.length - 1 ? { endToEnd: true } : {}), ...distribution(here, h, missing) };
  });
  return [...edges, ...hops].filter((r) => r.measured + r.negative + r.notArrived > 0);
}

/** GET /streams/{stream}/latency, all on one page. */
export function latencyIn(s, from, to, now) {
  const byStart = grouped(windowsIn(s, from, to, now), (w) => w.start);
  const items = [...byStart.values()].flatMap((windows) => rowsAt(s, windows));
  const ways = grouped(items, (r) => r.edge ?? r.hop);
  const whole = [...ways.values()].map((rows) => ({ edge: rows[0].edge, hop: rows[0].hop, endToEnd: rows[0].endToEnd, ...merged(rows) }));
  const last = new Date(Math.floor(now / 60_000) * 60_000).toISOString().replace('.000Z', 'Z');
  const weekAgo = new Date(now - 7 * 86_400_000).toISOString();
  const freshness = s.rate === 0 ? edgesOf(s).map((edge) => ({ edge, nothingSince: weekAgo, ageMillis: 7 * 86_400_000, ageAtLeastMillis: 7 * 86_400_000 })) : edgesOf(s).map((edge) => ({ edge, start: last, seconds: 60, ageMillis: now - Date.parse(last), ageAtLeastMillis: 0 }));
  const clocks = [
    { host: 'web-17', atLeastAheadMillis: s.stream === 'orders' ? -1200 : 340, lowestAheadMillis: s.stream === 'orders' ? -31_000 : 335, usualTransitMillis: 12, reports: 61, measured: 40_000, negative: s.stream === 'orders' ? 180 : 0 },
    { host: 'web-4', atLeastAheadMillis: -2, lowestAheadMillis: -9, usualTransitMillis: 4, reports: 60, measured: 40_000, negative: 0 },
  ];
  return { items, whole: whole.map((w) => ({ ...w, ...standing([...byStart.values()].map((all) => all.filter((v) => w.edge === undefined || v.edge === w.edge))) })), freshness, clocks };
}

/** One incident with what is told of it alone. */
export function incidentOf(i, now) {
  const s = find(i.stream);
  const verdicts = s && i.edge ? windowsIn(s, Date.parse(i.first), Date.parse(i.last) + 1, now, i.edge) : [];
  const timeline = [
    { at: i.openedAt, what: 'opened' },
    { at: i.openedAt.replace(':00Z', ':31Z'), what: 'notified', who: 'oncall', text: 'open', attempts: 1 },
    ...(i.ackedBy === undefined ? [] : [{ at: i.ackedAt ?? i.since, what: 'acked', who: i.ackedBy, text: 'looking' }]),
  ];
  const hints = i.cause === 'loss'
    ? [{ kind: 'host', name: 'web-17', short: 'web-17 mostly', evidence: `9 of ${i.lost} were produced on web-17, which produced 25 % of all events.`, events: Math.ceil(i.lost * 0.75), of: i.lost, share: 0.25 }]
    : [];
  const hours = [...new Set(verdicts.map((w) => w.start.slice(0, 13)))];
  return { ...i, verdicts, timeline, ...(i.hintsReason === undefined ? { hints } : {}), hours, hops: [] };
}

/** Whether and how an hour of orders broke version 7: what one deploy on web-17 did, three hours ago. */
function violations(start, now) {
  const hour = 3_600_000;
  const ago = (Math.floor(now / hour) - Math.floor(start / hour));
  const m = (start % hour) / 60_000;
  if (ago !== 3 || m < 10 || m > 39) return { invalid: 0, deprecated: 0 };
  return { invalid: 3 + (m % 7), deprecated: m > 29 ? 2 : 0 };
}

function schemaRow(s, w, now) {
  const { invalid, deprecated } = violations(Date.parse(w.start), now);
  const checked = w.delivered;
  const ok = checked - invalid - deprecated;
  const counts = [
    { outcome: 'OK', schema: 'orders', version: '7', events: ok },
    { outcome: 'INVALID', schema: 'orders', version: '7', reason: '/amount: expected number', events: invalid },
    { outcome: 'DEPRECATED', schema: 'orders', version: '5', events: deprecated },
  ].filter((c) => c.events > 0);
  const hosts = (host) => (invalid > 0 ? [{ host, events: invalid }] : []);
  return {
    start: w.start, seconds: 60, ...standing([[w]]), hop: w.edge.split('..')[1], sentence: `${w.delivered} of ${w.expected} delivered, ${invalid} break version 7`, produced: w.produced,
    edges: [{ edge: w.edge, state: w.state, expected: w.expected, delivered: w.delivered, lost: w.lost, pending: w.pending }],
    checked, ok, invalid, unknownSchema: 0, undecodable: 0, deprecated, invalidShare: invalid / checked, counts, sources: hosts('web-17'), emitters: hosts('lake-1'),
  };
}

/** Windows summed over steps of so many seconds. */
function summed(each, from, step) {
  const origin = Math.ceil(from / 60_000) * 60_000;
  const of = (r) => origin + Math.floor((Date.parse(r.start) - origin) / (step * 1000)) * step * 1000;
  return [...grouped(each, of).entries()].map(([start, rows]) => {
    if (step === 60) return rows[0];
    const add = (key) => rows.reduce((n, r) => n + r[key], 0);
    const sums = Object.fromEntries(['produced', 'checked', 'ok', 'invalid', 'unknownSchema', 'undecodable', 'deprecated', 'windows', 'notClosed'].map((key) => [key, add(key)]));
    const edge = (key) => rows.reduce((n, r) => n + r.edges[0][key], 0);
    return {
      ...rows[0], ...sums, start: new Date(start).toISOString().replace('.000Z', 'Z'), seconds: step,
      edges: [{ ...rows[0].edges[0], ...Object.fromEntries(['expected', 'delivered', 'lost', 'pending'].map((key) => [key, edge(key)])) }],
      counts: rows.flatMap((r) => r.counts), sources: rows.flatMap((r) => r.sources), emitters: rows.flatMap((r) => r.emitters),
    };
  });
}

/** GET /streams/{stream}/schemas: only orders is checked, by its last hop. */
export function schemasIn(s, from, to, now, hop, step = 60) {
  const each = s.stream !== 'orders' ? [] : windowsIn(s, from, Math.min(to, now), now, edgesOf(s).at(-1)).filter((w) => w.delivered > 0).map((w) => schemaRow(s, w, now)).filter((r) => (hop ?? r.hop) === r.hop);
  const items = summed(each, from, step);
  const windows = windowsIn(s, from, Math.min(to, now), now, edgesOf(s).at(-1));
  const hops = [{ hop: s.hops.at(-1), ...standing(windows.map((w) => [w])) }];
  const bad = each.filter((r) => r.invalid > 0);
  const all = (of) => each.reduce((n, r) => n + r[of], 0);
  const versions = items.length === 0 ? [] : [
    { hop: items[0].hop, schema: 'orders', version: '7', first: items[0].start, last: items.at(-1).start, events: all('ok') + all('invalid'), ok: all('ok'), invalid: all('invalid'), deprecated: 0 },
    ...(bad.length === 0 ? [] : [{ hop: items[0].hop, schema: 'orders', version: '5', first: bad[0].start, last: bad.at(-1).start, events: all('deprecated'), ok: 0, invalid: 0, deprecated: all('deprecated') }]),
  ];
  return { items, versions, hops };
}

/** GET /streams/{stream}/samples: one for each window that broke the schema; its payload looks like markup. */
export function samplesIn(s, from, to, now, reason) {
  const rows = schemasIn(s, from, to, now).items.filter((r) => r.invalid > 0);
  return rows.map((r, i) => ({
    stream: s.stream, hop: r.hop, emitter: '0199f0a2-77aa-8bcd-9eef-000000000000', host: 'lake-1', window: r.start, seconds: 60, at: r.start, uid: `01a20328-df60-8a5e-9def-${String(i).padStart(12, '0')}`,
    schema: 'orders', version: '7', outcome: 'INVALID', reason: 'expected number', path: '/amount', payload: '{"amount":"<string 4>","note":"<img src=x onerror=alert(1)>"}',
  })).filter((v) => [null, undefined, '', v.reason, `${v.path}: ${v.reason}`].includes(reason));
}

/** GET /streams/{stream}/objectives: flights has used one budget up and burns another. */
export function objectivesOf(s) {
  if (s.stream !== 'flights') return { items: [] };
  const one = (objective, target, events, bad, more = {}) => {
    const burn = [300_000, 3_600_000, 21_600_000, 259_200_000, 2_419_200_000].map((spanMillis, i) => ({ spanMillis, events, bad, rate: (more.alarms ? 15.2 : 0.4) - i / 10 }));
    return { stream: s.stream, objective, target, days: 28, events, bad, share: 1 - bad / events, budgetLeft: 1 - bad / events / (1 - target), burn, alarms: [], ...more };
  };
  return {
    items: [
      one('completeness', 0.9999, 2_000_000, 612),
      one('latency', 0.99, 2_000_000, 9_000, { thresholdMillis: 30_000, alarms: ['14.4 over 1 h and 5 min'] }),
      one('validity', 0.999, 2_000_000, 7),
    ],
  };
}
