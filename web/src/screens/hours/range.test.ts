import { describe, expect, it } from 'vitest';
import { hoursOf, readRange, shifted, spoken } from './range';

const at = Date.parse('2026-11-22T14:20:00Z');
const view = (text: string, narrow = false) => readRange(new URLSearchParams(text), at, narrow);

describe('the range of the grid', () => {
  it('is the last 24 hours with the current one', () => {
    const r = view('');
    expect([new Date(r.from).toISOString(), new Date(r.to).toISOString(), r.current]).toEqual(['2026-11-21T15:00:00.000Z', '2026-11-22T15:00:00.000Z', true]);
    expect(hoursOf(r)).toHaveLength(24);
  });
  it('is seven days where asked', () => {
    expect(hoursOf(view('span=7d'))).toHaveLength(168);
  });
  it('takes nonsense and the future for now', () => {
    for (const q of ['to=x', 'to=2126-01-01T00', 'span=century']) expect(view(q), q).toEqual(view(''));
  });
  it('is one UTC day on a narrow page', () => {
    const r = view('span=7d', true);
    expect([new Date(r.from).toISOString(), r.span, r.current]).toEqual(['2026-11-22T00:00:00.000Z', 'day', true]);
    expect(view('to=2026-11-21T00', true).from).toBe(Date.parse('2026-11-20T00:00:00Z'));
  });
  it('moves by its own length and comes back to now without an hour in the address', () => {
    const back = shifted(view(''), -1, at);
    expect(back).toEqual({ span: undefined, to: '2026-11-21T15' });
    const r = view(`to=${back.to}`);
    expect(r.current).toBe(false);
    expect(shifted(r, 1, at).to).toBeUndefined();
    expect(shifted(view('', true), -1, at).to).toBe('2026-11-22T00');
    expect(shifted(view('to=2026-11-22T00', true), 1, at).to).toBeUndefined();
  });
  it('is spoken with its end', () => {
    expect(spoken(view(''))).toBe('in the 24 hours to now');
    expect(spoken(view('span=7d&to=2026-11-20T00'))).toBe('in the 7 days to 20 Nov 2026 00:00 UTC');
    expect(spoken(view('', true))).toBe('on Sun 22 Nov UTC');
  });
});
