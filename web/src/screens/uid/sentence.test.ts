import { expect, it } from 'vitest';
import type { Trace, TraceHop } from '../../api/types';
import { traceSentence } from './sentence';

const hop = (name: string, seen: boolean, kinds: string[] = []): TraceHop => ({ hop: name, seen, kinds, emitters: [] });
const say = (...hops: TraceHop[]) => traceSentence({ uid: 'x', stream: 'orders', window: '', lastHop: 'agent', hops } as Trace);

it('says who saw it, where the trail ends, and never calls silence a loss', () => {
  expect(say(hop('app', true), hop('agent', true)).text).toBe('Every hop of orders saw this event: app and agent.');
  const ended = say(hop('app', true), hop('agent', true, ['duplicated']), hop('sink', false));
  expect(ended.text).toBe('This event of orders was last seen by agent; sink has not told of it; agent took it over more than once.');
  expect(ended.paint?.tone).not.toBe('complete');
  expect(say(hop('app', false)).paint?.tone).toBe('absent');
  expect(say().text).toBe('No hop has told of this event.');
});
