import type { Step } from '../../api/incidents';
import { count } from '../../text/numbers';

const after = (lead: string, text: string | undefined) => (text === undefined || text === '' ? lead : `${lead}: ${text}`);

/** A step of an incident in words. A step that is not known here is told as it came. */
export function stepText(s: Step): string {
  const who = s.who ?? 'somebody';
  const tries = s.attempts !== undefined && s.attempts > 1 ? `, after ${count(s.attempts)} attempts` : '';
  switch (s.what) {
    case 'opened': return 'It opened';
    case 'notified': return `${who} was told that it is ${s.text ?? 'open'}${tries}`;
    case 'escalated': return after(`${who} was told again, since it became worse or nobody took notice${tries}`, s.text);
    case 'joined': return after(`${who} was not called again`, s.text?.replace(/^not called again: /, ''));
    case 'gave_up': return after(`Gave up telling ${who} after ${count(s.attempts ?? 0)} attempts`, s.text);
    case 'acked': return after(`${who} looks after it`, s.text);
    case 'muted': return after(`${who} silenced it`, s.text);
    case 'resolved': return after('It was over', s.text);
    case 'merged': return after('It became part of an earlier one', s.text);
    default: return after(s.who === undefined ? s.what : `${s.what}, ${s.who}`, s.text);
  }
}
