// A made-up world of streams for looking at the pages and for their tests: what every window of it is,
// as a pure function of its name, its start and the time now.
const minute = 60_000;
const hour = 3_600_000;

export const hostile = `web-<img src=x onerror="document.title='owned'">`;

const zero = {
  produced: 0, expected: 0, delivered: 0, lost: 0, pending: 0, duplicated: 0, redelivered: 0, unexpected: 0, corrupt: 0,
  invalid: 0, filtered: 0, rejected: 0, skewed: 0, unplaced: 0, late: 0, invalidAtSource: 0,
};

// ago: hours before the current one; m: first minute; n: how many minutes.
const streams = [
  { stream: 'clicks', hops: ['app', 'agent', 'lake'], rate: 181_233, faults: [{ ago: 31, m: 10, n: 4, edge: 'app..agent', lost: 1204 }] },
  {
    stream: 'flights', hops: ['app', 'relay', 'sink'], rate: 50_411, faults: [
      { ago: 0, m: 1, n: 1, edge: 'relay..sink', lost: 3, duplicated: 4 },
      { ago: 2, m: 9, n: 1, edge: 'relay..sink', lost: 12, duplicated: 12 },
      { ago: 2, m: 31, n: 2, edge: 'app..relay', lost: 150, corrupt: 7 },
      { ago: 5, m: 0, n: 1, edge: 'relay..sink', duplicated: 41 },
      { ago: 60, m: 0, n: 60, edge: 'app..relay', lost: 88 },
    ],
  },
  { stream: 'orders', hops: ['app', 'agent', 'warehouse'], rate: 4_201, hostile: true, faults: [{ ago: 3, m: 20, n: 1, edge: 'app..agent', lost: 2, filtered: 20 }] },
  { stream: 'payments.v2', hops: ['gateway', 'ledger'], rate: 902, faults: [{ ago: 9, m: 0, n: 60, edge: 'gateway..ledger', redelivered: 3 }] },
  { stream: 'signups', hops: ['app', 'agent', 'warehouse'], rate: 0, faults: [] },
  { stream: 'telemetry', hops: ['edge', 'agent', 'lake'], rate: 12_400, faults: [{ ago: 7, m: 40, n: 20, edge: 'agent..lake', dark: 310 }, { ago: 6, m: 0, n: 60, edge: 'agent..lake', dark: 288 }] },
];

/** The streams, with `last` verdicts as of now. */
export const allStreams = (now) => streams.map((s) => streamAt(s, now));
export const find = (name) => streams.find((s) => s.stream === name);
export const edgesOf = (s) => s.hops.slice(1).map((h, i) => `${s.hops[i]}..${h}`);
const iso = (ms) => new Date(ms).toISOString().replace('.000Z', 'Z');
const floor = (ms, step) => Math.floor(ms / step) * step;
const first = (now) => floor(now, hour) - 7 * 24 * hour + 5 * hour;

function streamAt(s, now) {
  const last = floor(now - 3 * minute, minute);
  return {
    stream: s.stream, edges: edgesOf(s), settings: { windowSeconds: 60 }, watermark: iso(watermark(s, now)),
    hops: s.hops.map((h, i) => ({ hop: h, after: i ? [s.hops[i - 1]] : undefined, emitters: 2 + i, dark: s.stream === 'telemetry' && h === 'lake' ? 1 : 0 })),
    last: edgesOf(s).map((e) => windowAt(s, last, e, now)),
  };
}

function watermark(s, now) {
  const bad = s.faults.filter((f) => f.lost || f.dark).sort((a, b) => b.ago - a.ago)[0];
  return bad && bad.ago < 100 ? floor(now, hour) - bad.ago * hour + bad.m * minute : floor(now - 3 * minute, minute);
}

function faultOf(s, start, edge, now) {
  const ago = (floor(now, hour) - floor(start, hour)) / hour;
  const m = (start % hour) / minute;
  return s.faults.find((f) => f.ago === ago && f.edge === edge && m >= f.m && m < f.m + f.n);
}

/** One window and edge; undefined before the world began and after now. */
export function windowAt(s, start, edge, now) {
  if (start > now || start < first(now)) return undefined;
  const f = faultOf(s, start, edge, now) ?? {};
  const wobble = s.rate === 0 ? 0 : (start / minute) % 97;
  const share = Math.min(1, (now - start) / minute);
  const produced = Math.floor((s.rate + wobble) * share);
  const end = start + minute;
  const settling = now >= end && now < end + 2 * minute;
  const pending = f.dark ?? (produced > 0 && (now < end || settling) ? Math.floor(produced / 50) + 1 : 0);
  const lost = now < end + 2 * minute ? 0 : (f.lost ?? 0);
  const expected = produced - (f.filtered ?? 0);
  const state = f.dark ? 'unknown' : now < end ? 'open' : settling ? 'settling' : lost > 0 ? 'incomplete' : 'complete';
  const named = Object.fromEntries(['duplicated', 'redelivered', 'corrupt', 'filtered'].map((k) => [k, f[k] ?? 0]));
  return {
    ...zero, ...named, stream: s.stream, start: iso(start), seconds: 60, edge, state, revision: lost > 0 ? 3 : 1, produced, expected,
    delivered: expected - lost - pending, lost, pending, latency: produced ? { p50: 812, p95: 2100, p99: 4210 + wobble, max: 9800, ...absent(lost + pending, expected) } : undefined,
    reasons: reasons(s, f, edge, end), cause: lost > 0 ? 'the last lane passed' : 'a report', decidedAt: iso(end + 7_120),
  };
}

/** Which figures of a window are no number, since so many of n have not arrived. */
const absent = (missing, n) => (missing === 0 ? {} : { notArrived: missing, beyond: missing > n / 100 ? ['p99', 'max'] : ['max'] });

function reasons(s, f, edge, end) {
  const hop = edge.split('..')[1];
  if (f.dark) return [{ code: 'lane_not_covered', text: `${hop}: emitter on lake-3 has not been heard of since ${iso(end - 41_000)}`, hop, host: 'lake-3', lastHeard: iso(end - 41_000), atRisk: f.dark }];
  if (f.lost) return [{ code: 'lost', text: `${f.lost} events stopped before ${hop}` }];
  return [];
}

export function windowsIn(s, from, to, now, edge) {
  const rows = [];
  for (let t = Math.max(floor(from + minute - 1, minute), first(now)); t < Math.min(to, now + 1); t += minute) {
    for (const e of edgesOf(s)) if (!edge || e === edge) rows.push(windowAt(s, t, e, now));
  }
  return rows.filter(Boolean);
}

const rank = ['complete', 'open', 'settling', 'unknown', 'incomplete'];

/** The roll-up of one hour; undefined where there is none. */
export function hourAt(s, start, now) {
  if (start > now || start < first(now)) return undefined;
  const rows = windowsIn(s, start, start + hour, now);
  const sum = { ...zero };
  for (const w of rows) for (const k of Object.keys(zero)) sum[k] += w[k];
  sum.produced = Math.round(sum.produced / edgesOf(s).length);
  const state = rows.reduce((worst, w) => (rank.indexOf(w.state) > rank.indexOf(worst) ? w.state : worst), 'complete');
  return { ...sum, stream: s.stream, hour: iso(start).slice(0, 13), state, certified: state === 'complete' && s.stream === 'payments.v2' && start < now - 5 * hour };
}

export function hoursIn(from, to, now) {
  const rows = [];
  for (let t = floor(from, hour); t < to; t += hour) for (const s of streams) rows.push(hourAt(s, t, now));
  return rows.filter(Boolean);
}

/** The open incidents: one for every fault that lost or hides events and began within a day. */
export function incidentsAt(now) {
  const rows = streams.flatMap((s) => s.faults.filter((f) => (f.lost || f.dark) && f.ago < 24).map((f) => {
    const start = floor(now, hour) - f.ago * hour + f.m * minute;
    const one = windowAt(s, start, f.edge, now);
    return {
      id: `5f0a1cf0-2b5e-5d0e-9d3c-${start.toString(16).padStart(12, '0')}`, stream: s.stream, edge: f.edge, cause: f.lost ? 'loss' : 'unknown', state: 'open',
      first: iso(start), last: iso(start + (f.n - 1) * minute), windows: f.n, bad: f.n, firstBad: iso(start), lost: (f.lost ?? 0) * f.n, events: (f.lost ?? f.dark) * f.n, expected: one.expected * f.n,
      openedAt: iso(start + 4 * minute), since: iso(start + 4 * minute), text: '', ackedBy: f.dark ? 'ada' : undefined,
    };
  }));
  return rows.sort((a, b) => a.first.localeCompare(b.first));
}

const source = (s, start) => `${start.toString(16).padStart(12, '0').replace(/^(.{8})/, '$1-')}-8a5e-9def-${(0x100 + s.stream.length).toString(16).padStart(4, '0')}00000000`;
const uidOf = (s, start, n) => source(s, start).slice(0, 28) + n.toString(16).padStart(8, '0');

export function uidsOf(s, w, kind) {
  const hosts = s.hostile ? [hostile] : ['web-17', 'web-17', 'web-17', 'web-4'];
  return Array.from({ length: w[kind] }, (_, i) => ({
    uid: uidOf(s, Date.parse(w.start), 17 + i * 13), source: source(s, Date.parse(w.start)), sequence: 17 + i * 13,
    host: hosts[i % hosts.length], lastHop: kind === 'lost' ? w.edge.split('..')[0] : w.edge.split('..')[1], times: kind === 'duplicated' ? 2 : 0,
  }));
}

export function evidenceOf(s, w) {
  const end = Date.parse(w.start) + minute;
  const dark = w.state === 'unknown';
  const emitter = (h, i) => `0199f0a${h}-77aa-8bcd-9eef-${String(i).padStart(12, '0')}`;
  const lanes = (hop, h) => Array.from({ length: h === 1 ? 8 : 2 }, (_, i) => {
    const missing = dark && hop === w.edge.split('..')[1] && i === 1;
    return {
      hop, epoch: 0, lane: h === 1 ? `${s.stream}/${i}` : '', emitter: emitter(h, i), host: missing ? 'lake-3' : s.hostile ? hostile : `${hop}-${i + 1}`,
      watermark: iso(missing ? end - 41_000 : end + 5_000 + i * 130), closed: !missing, passedAt: missing ? undefined : iso(end + 7_120 + i * 90),
    };
  });
  return {
    stream: s.stream, start: w.start, edge: w.edge, settleLimit: iso(end + 120_000),
    hops: s.hops.map((hop, h) => ({ hop, target: iso(end + h * 2_000), k: dark && h === s.hops.length - 1 ? undefined : iso(end + 7_750 + h * 1_000), handedOn: iso(end + 7_750 + h * 1_000), seen: w.produced, lanes: lanes(hop, h) })),
    reports: s.hops.flatMap((hop, h) => [11, 12, 13].map((number) => ({ hop, emitter: emitter(h, 0), host: `${hop}-1`, number, sentAt: iso(end + number * 500), receivedAt: iso(end + number * 500 + 18), counted: true }))),
  };
}

/** A trace of a UID that uidsOf made: its first 48 bits are the window it is in. */
export function traceOf(uid, now) {
  const start = parseInt(uid.slice(0, 13).replace('-', ''), 16);
  const s = streams.find((x) => uid.slice(0, 28) === source(x, start).slice(0, 28));
  if (!s) return undefined;
  const gap = s.hops.findIndex((h, i) => i > 0 && (windowAt(s, start, `${s.hops[i - 1]}..${h}`, now)?.lost ?? 0) > 0);
  const n = parseInt(uid.slice(28), 16);
  return {
    uid, source: source(s, start), sequence: n, stream: s.stream, window: iso(floor(start, minute)), lastHop: s.hops[(gap < 0 ? s.hops.length : gap) - 1],
    hops: s.hops.map((hop, i) => ({ hop, seen: gap < 0 || i < gap, kinds: gap < 0 || i < gap ? ['seen'] : [], emitters: gap < 0 || i < gap ? [`0199f0a${i}-77aa-8bcd-9eef-000000000000`] : [], host: gap < 0 || i < gap ? `${hop}-1` : undefined })),
    neighbours: { before: uidOf(s, start, n - 1), after: uidOf(s, start, n + 1) },
  };
}
