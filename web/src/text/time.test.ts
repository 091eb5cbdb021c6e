import { describe, expect, it } from 'vitest';
import { clock, date, day, floorDay, hourKey, hourStart, instant, moment, span, stamp } from './time';

const at = Date.parse('2026-11-22T05:09:00Z');

describe('time', () => {
  it('is UTC whatever the zone of the reader', () => {
    expect([clock(at), date(at), day(at), moment(at)]).toEqual(['05:09', '22 Nov 2026', 'Sun 22 Nov', '22 Nov 2026, 05:09 UTC']);
  });
  it('names hours as the API does, and back', () => {
    expect(hourKey(at)).toBe('2026-11-22T05');
    expect(hourStart('2026-11-22T05')).toBe(Date.parse('2026-11-22T05:00:00Z'));
  });
  it('refuses what is not an hour', () => {
    for (const text of ['', '2026-11-22', '2026-11-22T5', '2026-13-22T05', 'x2026-11-22T05']) expect(hourStart(text), text).toBeNaN();
  });
  it('writes instants without an empty fraction and keeps a real one', () => {
    expect(stamp(at)).toBe('2026-11-22T05:09:00Z');
    expect(stamp(at + 120)).toBe('2026-11-22T05:09:00.120Z');
    expect(instant('2026-11-22T05:10:07.12Z')).toBe('22 Nov 05:10:07.120');
    expect(instant(undefined)).toBe('–');
    expect(instant('nonsense')).toBe('–');
  });
  it('ends the day at 24:00, and shows seconds of short windows', () => {
    expect(span(Date.parse('2026-11-22T23:00:00Z'), Date.parse('2026-11-23T00:00:00Z'))).toBe('23:00–24:00');
    expect(span(at, at + 10_000)).toBe('05:09:00–05:09:10');
    expect(floorDay(at)).toBe(Date.parse('2026-11-22T00:00:00Z'));
  });
});
