import { useRef } from 'preact/hooks';
import { send } from '../../api/client';
import { Fault, useAct } from '../../parts/Act';

/** Says that the reader looks after the incident, with a note for the others. */
export function Ack({ id, done }: { id: string; done: () => void }) {
  const note = useRef<HTMLInputElement>(null);
  const { busy, fault, run } = useAct(async () => {
    await send('POST', ['incidents', id, 'ack'], { note: note.current?.value.trim() ?? '' });
    note.current!.value = '';
    done();
  });
  return (
    <form class="say" onSubmit={(e) => { e.preventDefault(); run(); }}>
      <label for="note">Note for the others</label>
      <p><input ref={note} id="note" name="note" maxLength={1000} autocomplete="off" /><button type="submit" disabled={busy}>I look after it</button></p>
      <Fault text={fault} />
    </form>
  );
}
