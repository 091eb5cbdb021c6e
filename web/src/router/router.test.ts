// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { go, hourPath, hoursPath, incidentPath, latencyPath, mutePath, parse, place, startRouter, uidPath, windowPath, withView } from './router';

describe('parse', () => {
  it('knows every page', () => {
    expect(parse('/')).toEqual({ page: 'hours' });
    expect(parse('/hours')).toEqual({ page: 'hours' });
    expect(parse('/hours/')).toEqual({ page: 'hours' });
    expect(parse('/h/orders/2026-11-22T05')).toEqual({ page: 'hour', stream: 'orders', hour: '2026-11-22T05' });
    expect(parse('/w/orders/2026-11-22T05:09:00Z')).toEqual({ page: 'window', stream: 'orders', start: '2026-11-22T05:09:00Z' });
    expect(parse('/uid/x')).toEqual({ page: 'uid', uid: 'x' });
    expect(parse('/latency/orders')).toEqual({ page: 'latency', stream: 'orders' });
    expect(parse('/schemas/orders')).toEqual({ page: 'schemas', stream: 'orders' });
    expect(parse('/incidents')).toEqual({ page: 'incidents' });
    expect(parse('/incidents/7')).toEqual({ page: 'incident', id: '7', mute: false });
    expect(parse('/incidents/7/mute')).toEqual({ page: 'incident', id: '7', mute: true });
  });
  it('says what is missing', () => {
    for (const path of ['/x', '/h/a', '/w/a/b/c', '/uid', '/uid/%E0%A4%A', '/latency', '/latency/a/b', '/schemas', '/schemas/a/b', '/incidents/7/x', '/incidents/7/mute/x']) expect(parse(path)).toEqual({ page: 'missing', path });
  });
  it('reads back every address it makes, whatever the name', () => {
    for (const name of ['a', 'a/b', '<b>', '100%', 'ü ß', '?x=1#y', 'a..b', 'a:b']) {
      const pathname = (to: string) => new URL(to, 'http://h').pathname;
      expect(parse(pathname(uidPath(name)))).toEqual({ page: 'uid', uid: name });
      expect(parse(pathname(latencyPath(name, { of: 'a..b' })))).toEqual({ page: 'latency', stream: name });
      expect(parse(pathname(incidentPath(name)))).toEqual({ page: 'incident', id: name, mute: false });
      expect(parse(pathname(mutePath(name)))).toEqual({ page: 'incident', id: name, mute: true });
      expect(parse(pathname(hourPath(name, '2026-11-22T05')))).toMatchObject({ stream: name });
      expect(parse(pathname(windowPath(name, '2026-11-22T05:09:00Z', { edge: 'a..b' })))).toMatchObject({ stream: name, start: '2026-11-22T05:09:00Z' });
    }
  });
  it('makes addresses one can read', () => {
    expect(windowPath('orders', '2026-11-22T05:09:00Z', { edge: 'app..agent', kind: '' })).toBe('/w/orders/2026-11-22T05:09:00Z?edge=app..agent');
    expect(hoursPath()).toBe('/hours');
  });
});

describe('going', () => {
  let stop: () => void;
  beforeEach(() => { stop = startRouter(); go('/'); });
  afterEach(() => stop());

  it('moves the place and keeps the view', () => {
    go('/w/orders/2026-11-22T05:09:00Z?edge=a..b&kind=lost');
    expect(place.value.route).toMatchObject({ page: 'window' });
    expect(withView({ kind: 'late' })).toBe('/w/orders/2026-11-22T05:09:00Z?edge=a..b&kind=late');
    expect(withView({ kind: undefined })).toBe('/w/orders/2026-11-22T05:09:00Z?edge=a..b');
  });
  it('takes a plain click on a link, and leaves one with a key, a download and the API alone', () => {
    const link = document.createElement('a');
    document.body.append(link);
    const click = (href: string, init: MouseEventInit = {}) => {
      link.href = href;
      const event = new MouseEvent('click', { bubbles: true, cancelable: true, button: 0, ...init });
      link.dispatchEvent(event);
      return event.defaultPrevented;
    };
    expect(click('/h/orders/2026-11-22T05', { ctrlKey: true })).toBe(false);
    expect(click('/api/v1/hours')).toBe(false);
    expect(click('https://elsewhere.invalid/')).toBe(false);
    expect(click('/h/orders/2026-11-22T05')).toBe(true);
    expect(place.value.route).toMatchObject({ page: 'hour' });
    link.remove();
  });
});
