import { describe, expect, it } from 'vitest';
import { Events } from './events';

const text = ': a comment\nretry: 2000\n\nid: b-7\nevent: snapshot\ndata: {"streams":\ndata:[]}\n\ndata: "ä"\n\nid\ndata:  two\n\nevent: nothing\n\n';
const want = [
  { type: 'snapshot', id: 'b-7', data: '{"streams":\n[]}' },
  { type: 'message', id: 'b-7', data: '"ä"' },
  { type: 'message', id: '', data: ' two' },
];

describe('server-sent events', () => {
  for (const [name, end] of [['\\n', '\n'], ['\\r\\n', '\r\n'], ['\\r', '\r']] as const) {
    it(`are the same wherever the text is cut, with lines that end in ${name}`, () => {
      const whole = text.replaceAll('\n', end) + (end === '\r' ? ':' : ''); // a last \r may be half of an end
      for (let cut = 0; cut <= whole.length; cut++) {
        const events = new Events();
        expect([...events.take(whole.slice(0, cut)), ...events.take(whole.slice(cut))], `cut at ${cut}`).toEqual(want);
      }
      const letters = new Events();
      expect([...whole].flatMap((c) => letters.take(c))).toEqual(want);
    });
  }
  it('that are cut off are not told', () => {
    expect(new Events().take('event: verdicts\ndata: {"items":[]}\n')).toEqual([]);
  });
  it('keep an id that holds NUL out', () => {
    expect(new Events().take('id: a\nid: b\0\ndata: x\n\n')).toEqual([{ type: 'message', id: 'a', data: 'x' }]);
  });
});
