import { describe, expect, it } from 'vitest';
import type { Stream, Window } from '../api/types';
import { nothing, read, reduce, staleAfter, type Happening } from './reducer';

const window = (start: string, state = 'complete', edge = 'app..agent') => ({ stream: 'orders', start, edge, state }) as Window;
const orders = { stream: 'orders', hops: [], edges: ['app..agent'], last: [window('2026-11-22T05:09:00Z')] } as Stream;
const after = (...all: Happening[]) => all.reduce(reduce, nothing);
const snapshot: Happening = { type: 'snapshot', at: 1000, streams: [orders] };

describe('the live state', () => {
  it('is live from the snapshot on', () => {
    expect(after(snapshot)).toMatchObject({ mode: 'live', heard: 1000, snapshots: 1, streams: [orders] });
  });
  it('polls while the stream is broken, and is live again with the next snapshot', () => {
    const broken: Happening = { type: 'broken', at: 2000 };
    const polled: Happening = { type: 'polled', at: 3000, streams: [] };
    expect(after(snapshot, broken).mode).toBe('polling');
    expect(after(snapshot, broken, polled)).toMatchObject({ mode: 'polling', heard: 3000 });
    expect(after(snapshot, broken, polled, snapshot)).toMatchObject({ mode: 'live', snapshots: 2 });
  });
  it('polls when there never was a stream', () => {
    expect(after({ type: 'broken', at: 1 }).mode).toBe('connecting');
    expect(after({ type: 'broken', at: 1 }, { type: 'polled', at: 2, streams: [] }).mode).toBe('polling');
  });
  it('is stale after silence, whatever it was, and any word ends it', () => {
    const silence: Happening = { type: 'tick', at: 1000 + staleAfter + 1 };
    const stale = after(snapshot, silence);
    expect(stale).toMatchObject({ mode: 'stale', heard: 1000 });
    expect(reduce(stale, { type: 'broken', at: 99_000 }).mode).toBe('stale');
    expect(reduce(stale, { type: 'heartbeat', at: 99_000 })).toMatchObject({ mode: 'live', heard: 99_000 });
    expect(after(snapshot, { type: 'tick', at: 1000 + staleAfter }).mode).toBe('live');
  });
  it('replaces the last verdict of an edge, never by an older window or one that still runs', () => {
    const last = (w: Window) => after(snapshot, { type: 'verdicts', at: 2, items: [w] }).streams![0]!.last!;
    expect(last(window('2026-11-22T05:10:00Z', 'incomplete'))).toEqual([window('2026-11-22T05:10:00Z', 'incomplete')]);
    expect(last(window('2026-11-22T05:09:00Z', 'incomplete'))[0]!.state).toBe('incomplete');
    expect(last(window('2026-11-22T05:08:00Z', 'incomplete'))).toEqual(orders.last);
    expect(last(window('2026-11-22T05:10:00Z', 'open'))).toEqual(orders.last);
    expect(last({ ...window('2026-11-22T05:10:00Z'), stream: 'other' })).toEqual(orders.last);
  });
});

describe('an incident', () => {
  it('is counted, so that pages ask again', () => {
    const told = read('incident', '{"id":"1"}', 2000)!;
    expect(after(snapshot, told, told)).toMatchObject({ mode: 'live', heard: 2000, incidents: 2 });
    expect(after(snapshot, told, snapshot).incidents).toBe(1);
  });
});

describe('reading events', () => {
  it('takes what keeps its promise', () => {
    expect(read('snapshot', '{"streams":[]}', 7)).toEqual({ type: 'snapshot', at: 7, streams: [] });
    expect(read('verdicts', '{"items":[]}', 7)).toEqual({ type: 'verdicts', at: 7, items: [] });
    expect(read('certificate', '{"stream":"orders","hour":"2026-11-22T05","number":3,"standing":"revoked"}', 7)).toEqual({ type: 'certificate', at: 7, hour: '2026-11-22T05' });
    expect(read('heartbeat', '{"at":"2026-11-22T05:09:00Z"}', 7)).toEqual({ type: 'heartbeat', at: 7 });
  });
  it('drops what does not', () => {
    for (const [type, data] of [['snapshot', 'x'], ['snapshot', '{}'], ['snapshot', 'null'], ['verdicts', '[]'], ['certificate', '{}'], ['other', '{}']] as const) {
      expect(read(type, data, 7), `${type} ${data}`).toBeUndefined();
    }
  });
});
