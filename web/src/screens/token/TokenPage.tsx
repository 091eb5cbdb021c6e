import { useEffect, useRef, useState } from 'preact/hooks';
import { give, possible } from '../../api/token';
import { Verdict } from '../../parts/Verdict';

/** Asks for a token; the reason is the server's word on the one it was shown, empty where it was shown none. */
export function TokenPage({ reason }: { reason: string }) {
  const field = useRef<HTMLInputElement>(null);
  const [fault, setFault] = useState('');
  useEffect(() => field.current?.focus(), []);
  const told = fault === '' ? reason : fault;
  const submitted = (e: Event) => {
    e.preventDefault();
    const text = field.current?.value.trim() ?? '';
    setFault(possible(text) ? '' : 'That is not a token: it is one word of plain letters and digits.');
    if (possible(text)) give(text);
  };
  return (
    <>
      <Verdict title="Token" sentence={{ paint: undefined, text: 'This server asks for a token.' }} />
      <form class="token" onSubmit={submitted}>
        {told !== '' && <p class="trouble" role="alert">{told}</p>}
        <label for="token">Your token</label>
        <p><input ref={field} id="token" name="token" type="password" autocomplete="off" spellcheck={false} required /><button type="submit">Go on</button></p>
        <p class="aside">
          Who runs the server makes one with <code>rollcall token create NAME --role viewer</code>. It is kept until this tab is closed, and sent to this server alone.
        </p>
      </form>
    </>
  );
}
