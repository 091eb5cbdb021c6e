// A small server with the API's shapes over a made-up world, for `npm run dev` and for the page tests.
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as signals from './signals.mjs';
import * as world from './world.mjs';

const dist = fileURLToPath(new URL('../dist/', import.meta.url));
const policy = "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'none'";
const types = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };

const titles = { 401: 'Unauthorized', 403: 'Forbidden', 404: 'Not Found', 422: 'Unprocessable Entity' };

class Refusal extends Error {
  constructor(status, detail) { super(detail); this.status = status; }
}

/**
 * Starts the server. Options: port (0 picks one), now (a function), empty (no streams), sse (false: answers 503),
 * fail (a function of the path: true answers 503), tokens (those that are let in, by text to role; without it everybody is),
 * incidents and latency (instead of the world's).
 * Returns { url, close, push(type, data), end(), state }: end ends the live streams, state holds the options, to change.
 */
export async function startServer({ port = 0, now = Date.now, empty = false, sse = true, fail = () => false, tokens, incidents, latency } = {}) {
  const readers = new Set();
  const state = { now, empty, sse, fail, readers, tokens, incidents, latency };
  const server = createServer((req, res) => {
    answer(state, req, res).catch((e) => problem(res, e instanceof Refusal ? e.status : 500, e.message));
  });
  await new Promise((ready) => server.listen(port, '127.0.0.1', ready));
  const beat = setInterval(() => push('heartbeat', { at: new Date(now()).toISOString() }), 2000);
  const push = (type, data) => readers.forEach((res) => event(res, type, data));
  const end = () => { readers.forEach((r) => r.end()); readers.clear(); };
  const close = () => { clearInterval(beat); readers.forEach((r) => r.end()); server.closeAllConnections(); server.close(); };
  return { url: `http://127.0.0.1:${server.address().port}`, close, push, end, state };
}

const event = (res, type, data) => res.write(`event: ${type}\nid: ${Date.now()}\ndata: ${JSON.stringify(data)}\n\n`);

async function answer(state, req, res) {
  const url = new URL(req.url, 'http://h');
  const parts = url.pathname.split('/').filter(Boolean).map(decodeURIComponent);
  if (parts[0] !== 'api') return file(url.pathname, res);
  if (state.fail(url.pathname)) throw new Refusal(503, 'the store is away');
  guard(state, req);
  if (parts[2] === 'stream') return stream(state, req, res);
  if (req.method !== 'GET') return send(res, 200, 'application/json', JSON.stringify(change(state, req.method, parts.slice(2), await read(req))));
  send(res, 200, 'application/json', JSON.stringify(call(state, parts.slice(2), url.searchParams)));
}

function call(state, [what, ...rest], q) {
  const now = state.now();
  if (what === 'status') return { version: 'dev', store: 'ok', kafka: 'ok', ingestLag: 0, reports: 4211, quarantined: 0, lastPassMillis: 12, reconcileAgeMillis: 640, dirty: 0, demo: true };
  if (what === 'streams' && rest.length === 0) return { items: state.empty ? [] : world.allStreams(now) };
  if (what === 'hours') return { items: state.empty ? [] : world.hoursIn(Date.parse(q.get('from')), Date.parse(q.get('to')), now) };
  if (what === 'incidents') return incidents(state, rest, q, now);
  if (what === 'silences' && rest.length === 0) return { items: silencesOf(state) };
  if (what === 'uids') return world.traceOf(rest[0], now) ?? refuse(404, `no hop has named the UID ${rest[0]}`);
  const s = world.find(rest[0]) ?? refuse(404, `no stream ${JSON.stringify(rest[0])} is known`);
  if (rest[1] === 'latency' && state.latency) return state.latency(s, q);
  return ofStream(s, rest.slice(1), q, now);
}

function incidents(state, [id], q, now) {
  const all = (state.empty ? [] : state.incidents ?? world.incidentsAt(now)).map((i) => ({ ...i, ...state.acks?.get(i.id), muted: silencesOf(state).some((v) => v.stream === i.stream && (v.edge === undefined || v.edge === i.edge)) }));
  if (id !== undefined) return signals.incidentOf(all.find((i) => i.id === id) ?? refuse(404, `no incident ${id}`), now);
  return { items: all.filter((i) => (q.get('state') ?? i.state) === i.state && (q.get('stream') ?? i.stream) === i.stream) };
}

const silencesOf = (state) => [...(state.silences ?? new Map()).values()];

/** What a reader changes: who looks after an incident, and silences. */
function change(state, method, [what, id, verb], body) {
  const at = new Date(state.now()).toISOString();
  if (method === 'POST' && what === 'incidents' && verb === 'ack') {
    (state.acks ??= new Map()).set(id, { ackedBy: 'local', ackedAt: at });
    return {};
  }
  if (method === 'POST' && what === 'silences') {
    if (!body.reason) throw new Refusal(422, 'missing: say why, for those who wonder that nobody was called');
    if (!(Date.parse(body.end) > state.now())) throw new Refusal(422, 'the end is not after now');
    const silence = { ...body, id: `s${(state.silences ??= new Map()).size + 1}`, start: at, author: 'local', madeAt: at };
    state.silences.set(silence.id, silence);
    return silence;
  }
  if (method === 'DELETE' && what === 'silences' && state.silences?.delete(id)) return {};
  return refuse(404, 'there is no such call');
}

async function read(req) {
  const parts = [];
  for await (const part of req) parts.push(part);
  return parts.length === 0 ? undefined : JSON.parse(Buffer.concat(parts).toString());
}

function ofStream(s, [what, at, list], q, now) {
  if (what === 'hours') {
    const start = Date.parse(`${at}:00:00Z`);
    const h = world.hourAt(s, start, now) ?? refuse(404, `stream ${s.stream} has no window in hour ${at}`);
    return { ...h, windows: world.windowsIn(s, start, start + 3_600_000, now).filter((w) => w.state !== 'complete') };
  }
  if (what === 'latency') return signals.latencyIn(s, Date.parse(q.get('from')), Date.parse(q.get('to')), now);
  if (what === 'objectives') return signals.objectivesOf(s);
  if (what === 'schemas') return signals.schemasIn(s, Date.parse(q.get('from')), Date.parse(q.get('to')), now, q.get('hop'), Number(q.get('step') ?? 60));
  if (what === 'samples') return page(signals.samplesIn(s, Date.parse(q.get('from')), Date.parse(q.get('to')), now, q.get('reason')), q);
  if (what !== 'windows') refuse(404, 'there is no such call');
  if (at === undefined) return { items: world.windowsIn(s, Date.parse(q.get('from')), Date.parse(q.get('to')), now, q.get('edge')) };
  const w = world.windowAt(s, Date.parse(at), q.get('edge'), now) ?? refuse(404, `no verdict on ${at}`);
  if (list === 'uids') return page(world.uidsOf(s, w, q.get('kind')), q);
  if (list === 'evidence') return world.evidenceOf(s, w);
  const earlier = (revision, state) => ({ ...w, revision, state, lost: 0, pending: w.lost, cause: 'a report' });
  return { ...w, revisions: w.revision === 3 ? [earlier(1, 'open'), earlier(2, 'settling'), w] : [w] };
}

function page(rows, q) {
  const limit = Number(q.get('limit') ?? 100);
  const from = Number(q.get('cursor') ?? 0);
  return { items: rows.slice(from, from + limit), next: from + limit < rows.length ? String(from + limit) : undefined };
}

function guard({ tokens }, req) {
  if (tokens === undefined) return;
  const shown = req.headers.authorization;
  if (shown === undefined) refuse(401, 'this call needs a token');
  const role = tokens.get(shown.replace(/^Bearer /, ''));
  if (role === undefined) refuse(401, 'the token is not known here');
  if (role !== 'viewer') refuse(403, `this call needs the role viewer; the token has the role ${role}`);
}

function refuse(status, detail) { throw new Refusal(status, detail); }

function stream(state, req, res) {
  if (!state.sse) throw new Refusal(503, 'too many readers; ask GET /api/v1/streams from time to time instead');
  res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  event(res, 'snapshot', { streams: state.empty ? [] : world.allStreams(state.now()) });
  state.readers.add(res);
  req.on('close', () => state.readers.delete(res));
}

async function file(path, res) {
  const name = normalize(path).replace(/^\/+/, '');
  const known = /^(assets\/|theme\.js|icon\.svg)/.test(name) ? name : 'index.html';
  const body = await readFile(join(dist, known)).catch(() => refuse(404, `no file ${known}: run npm run build`));
  send(res, 200, types[extname(known)] ?? 'application/octet-stream', body);
}

function send(res, status, type, body) {
  res.writeHead(status, { 'content-type': type, 'content-security-policy': policy, 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' });
  res.end(body);
}

function problem(res, status, detail) {
  if (res.headersSent) { res.end(); return; }
  send(res, status, 'application/problem+json', JSON.stringify({ title: titles[status] ?? 'Service Unavailable', status, detail }));
}
