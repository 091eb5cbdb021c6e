// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { get } from './client';
import { forget, give, possible, refusal, token } from './token';

const problem = (status: number, detail: string) =>
  new Response(JSON.stringify({ title: 'Unauthorized', status, detail }), { status, headers: { 'content-type': 'application/problem+json' } });

let sent: (string | undefined)[] = [];
const answering = (answer: () => Response | Promise<Response>) =>
  vi.stubGlobal('fetch', (_: string, init: { headers: Record<string, string> }) => {
    sent.push(init.headers['authorization']);
    return Promise.resolve(answer());
  });

beforeEach(() => { forget(); refusal.value = undefined; sent = []; });
afterEach(() => vi.unstubAllGlobals());

describe('the token', () => {
  it('is asked for when the server answers 401, and then shown with every call', async () => {
    answering(() => problem(401, 'this call needs a token'));
    await expect(get('/x')).rejects.toMatchObject({ status: 401 });
    expect(refusal.value).toBe('');
    give('t-1');
    expect(refusal.value).toBeUndefined();
    answering(() => new Response('{}'));
    await get('/x');
    expect(sent).toEqual([undefined, 'Bearer t-1']);
  });
  it('is asked for anew, in the words of the server, when it is no longer good', async () => {
    give('t-1');
    answering(() => problem(401, 'the token was revoked'));
    await expect(get('/x')).rejects.toMatchObject({ status: 401 });
    expect(refusal.value).toBe('the token was revoked');
  });
  it('is not asked for because of an answer to the one before it', async () => {
    give('old');
    let tell: (r: Response) => void = () => undefined;
    answering(() => new Promise<Response>((resolve) => { tell = resolve; }));
    const late = get('/x').catch(() => undefined);
    give('new');
    tell(problem(401, 'the token was revoked'));
    await late;
    expect(refusal.value).toBeUndefined();
  });
  it('is not asked for when the role does not suffice', async () => {
    give('t-1');
    answering(() => problem(403, 'this call needs the role viewer; the token has the role ingest'));
    await expect(get('/x')).rejects.toMatchObject({ status: 403 });
    expect(refusal.value).toBeUndefined();
  });
  it('outlives a reload of the tab, and is gone when it is forgotten', () => {
    give('t-1');
    expect(sessionStorage.getItem('rollcall.token')).toBe('t-1');
    expect(localStorage.length).toBe(0);
    forget();
    expect(sessionStorage.getItem('rollcall.token')).toBeNull();
    expect([token.value, refusal.value]).toEqual([undefined, '']);
  });
  it('cannot hold what no header can', () => {
    expect(['rollcall_ABC_DEF', 'x'].every(possible)).toBe(true);
    expect(['', 'a b', 'a\nb', 'tökén'].some(possible)).toBe(false);
  });
});
