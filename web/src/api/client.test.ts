import { afterEach, describe, expect, it, vi } from 'vitest';
import { address, ApiError, get, getAll, getPages, send } from './client';

const json = (body: unknown, status = 200, type = 'application/json') =>
  new Response(JSON.stringify(body), { status, headers: { 'content-type': type } });

const answering = (...answers: (Response | Error)[]) => {
  const asked: string[] = [];
  vi.stubGlobal('fetch', async (url: string) => {
    asked.push(url);
    const next = answers.shift();
    if (next === undefined || next instanceof Error) throw next ?? new Error('asked too often');
    return next;
  });
  return asked;
};

afterEach(() => vi.unstubAllGlobals());

describe('address', () => {
  it('escapes every segment and value', () => {
    expect(address(['uids', 'a/b?c#d'], { kind: 'lost&x=1' })).toBe('/api/v1/uids/a%2Fb%3Fc%23d?kind=lost%26x%3D1');
  });
  it('leaves out what is absent or empty', () => {
    expect(address(['hours'], { from: undefined, cursor: '' })).toBe('/api/v1/hours');
  });
});

describe('get', () => {
  it('tells a problem in the words of the server, with its faults', async () => {
    answering(json({ title: 'Bad Request', status: 400, detail: 'no', errors: [{ path: 'query.from', message: 'not a time' }] }, 400, 'application/problem+json'));
    const error = await get('/x').catch((e: unknown) => e);
    expect(error).toBeInstanceOf(ApiError);
    expect(error).toMatchObject({ status: 400, title: 'Bad Request', detail: 'no', faults: ['query.from: not a time'] });
  });
  it('tells a failure without a body', async () => {
    answering(new Response('<html>', { status: 502 }));
    await expect(get('/x')).rejects.toMatchObject({ status: 502, detail: 'the server gave no reason' });
  });
  it('tells a server that cannot be reached', async () => {
    answering(new TypeError('fetch failed'));
    await expect(get('/x')).rejects.toMatchObject({ status: 0, title: 'No answer' });
  });
  it('does not take a page for data', async () => {
    answering(new Response('<!doctype html>', { status: 200 }));
    await expect(get('/x')).rejects.toMatchObject({ title: 'Unreadable answer' });
  });
});

describe('getAll', () => {
  it('follows cursors to the last page and keeps the order', async () => {
    const asked = answering(json({ items: [1, 2], next: 'a+b' }), json({ items: [3] }));
    expect(await getAll<number>(['hours'], { from: 'x' })).toEqual([1, 2, 3]);
    expect(asked[1]).toBe('/api/v1/hours?limit=1000&from=x&cursor=a%2Bb');
  });
  it('gives no half list when a page fails', async () => {
    answering(json({ items: [1], next: 'a' }), json({ title: 'Away' }, 503));
    await expect(getAll(['hours'], {})).rejects.toMatchObject({ status: 503 });
  });
});

describe('getPages', () => {
  it('keeps what the first page tells of the whole, and reads no more where that is enough', async () => {
    answering(json({ items: [1], next: 'a', whole: 7 }), json({ items: [2] }));
    expect(await getPages(['latency'], {})).toEqual({ first: { items: [1], next: 'a', whole: 7 }, items: [1, 2] });
    const asked = answering(json({ items: [1], next: 'a' }), json({ items: [2] }));
    expect((await getPages(['latency'], {}, undefined, () => true)).items).toEqual([1]);
    expect(asked).toHaveLength(1);
  });
});

describe('send', () => {
  it('sends JSON by its method, and tells a refusal in the words of the server', async () => {
    const sent: RequestInit[] = [];
    vi.stubGlobal('fetch', async (_: string, init: RequestInit) => { sent.push(init); return json({ title: 'Bad Request', detail: 'a silence ends' }, 422); });
    await expect(send('POST', ['silences'], { reason: 'x' })).rejects.toMatchObject({ status: 422, detail: 'a silence ends' });
    expect(sent[0]).toMatchObject({ method: 'POST', body: '{"reason":"x"}', headers: { 'content-type': 'application/json' } });
  });
});
