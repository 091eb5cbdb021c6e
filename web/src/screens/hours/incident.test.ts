// @vitest-environment happy-dom
import { describe, expect, it } from 'vitest';
import type { Incident } from '../../api/types';
import { incidentPaint, incidentPath, incidentSentence } from './incident';

const loss: Incident = {
  id: '1', stream: 'flights', edge: 'relay..sink', cause: 'loss', state: 'open', first: '2026-11-22T05:00:00Z', last: '2026-11-22T05:02:00Z', windows: 3, bad: 2,
  firstBad: '2026-11-22T05:01:00Z', lost: 312, expected: 4_200_000, events: 312, openedAt: '2026-11-22T05:02:10Z', since: '2026-11-22T05:02:10Z', text: '',
};
const unknown: Incident = { ...loss, cause: 'unknown', bad: 1, lost: 0 };
const stopped: Incident = { ...loss, cause: 'stopped', edge: undefined, bad: 1, firstBad: '2026-11-22T05:00:00Z' };

describe('an open incident', () => {
  it('says what is missing, where and since when', () => {
    expect(incidentSentence(loss)).toMatch(/^312 of 4.200.000 events of flights are missing after relay, in 2 windows from Sun 22 Nov 05:01 UTC on\.$/);
    expect(incidentSentence({ ...loss, lost: 1, bad: 1 })).toMatch(/^1 of .* is missing after relay, in the window of Sun 22 Nov 05:01 UTC\.$/);
    expect(incidentSentence(unknown)).toBe('Nobody can tell what sink had of flights in the window of Sun 22 Nov 05:01 UTC.');
    expect(incidentSentence(stopped)).toBe('flights has had no event since Sun 22 Nov 05:00 UTC.');
  });
  it('says what is late, broken or used up, in its own words', () => {
    const one = { ...loss, lost: 0, events: 40, bad: 1 };
    expect(incidentSentence({ ...one, cause: 'delayed' })).toBe('40 events of flights are delayed before sink, in the window of Sun 22 Nov 05:01 UTC.');
    expect(incidentSentence({ ...one, cause: 'invalid', events: 1 })).toBe('1 event of flights breaks its schema at sink, in the window of Sun 22 Nov 05:01 UTC.');
    const source = { ...one, cause: 'invalid', text: '[INVALID] flights relay→sink 05:00Z: 40 of 4.2 M break their schema at relay since 05:01' };
    expect(incidentSentence(source)).toBe('40 events of flights break their schema at relay, in the window of Sun 22 Nov 05:01 UTC.');
    expect(incidentSentence({ ...source, text: source.text.replace('at relay', 'at relay and sink') })).toMatch(/ break their schema at relay and sink, in the window /);
    expect(incidentSentence({ ...one, cause: 'corrupt' })).toBe('40 events of flights are corrupt at sink, in the window of Sun 22 Nov 05:01 UTC.');
    expect(incidentSentence({ ...stopped, cause: 'burn-latency', text: '[BURN] flights: the budget is used up' })).toBe('flights: the budget is used up.');
    expect(incidentPaint({ ...one, cause: 'delayed' })).toMatchObject({ shape: 'question', label: 'Delayed' });
  });
  it('says of a certificate that was taken back of which hour it is, why, and leads there', () => {
    const revoked = { ...stopped, cause: 'revoked', text: '[REVOKED] flights hour 2026-11-22T05: certificate taken back by entry 12: 3 lost, unknown' };
    expect(incidentSentence(revoked)).toBe('The certificate of flights for the hour from Sun 22 Nov 05:00 UTC was taken back: 3 lost, unknown.');
    expect(incidentSentence({ ...revoked, text: 'something else' })).toBe('The certificate of flights for the hour from Sun 22 Nov 05:00 UTC was taken back.');
    expect(incidentPath(revoked)).toBe('/h/flights/2026-11-22T05');
    expect(incidentPaint(revoked)).toMatchObject({ shape: 'cross', label: 'Revoked' });
  });
  it('says who looks after it, and that it is silenced', () => {
    expect(incidentSentence({ ...unknown, ackedBy: 'ada', muted: true })).toMatch(/; ada looks after it; nobody is called, it is silenced\.$/);
  });
  it('leads to its first bad window, or to the hour of the last event', () => {
    expect(incidentPath(loss)).toBe('/w/flights/2026-11-22T05:01:00Z?edge=relay..sink');
    expect(incidentPath(stopped)).toBe('/h/flights/2026-11-22T04');
  });
  it('has the shape and the word of its state, never those of a good one', () => {
    expect(incidentPaint(loss)).toMatchObject({ shape: 'cross', label: 'Incomplete' });
    expect(incidentPaint(unknown)).toMatchObject({ shape: 'question', label: 'Unknown' });
    expect(incidentPaint(stopped)).toMatchObject({ shape: 'question', label: 'Stopped' });
    expect(incidentPaint({ ...loss, cause: 'something new' })).toMatchObject({ shape: 'question' });
  });
});
