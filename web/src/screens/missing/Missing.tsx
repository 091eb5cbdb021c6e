import { Verdict } from '../../parts/Verdict';
import { hoursPath } from '../../router/router';
import { absent } from '../../state/states';

/** An address that names nothing. */
export function Missing({ path }: { path: string }) {
  return (
    <>
      <Verdict title="No such page" sentence={{ paint: absent, text: `There is no page at ${path}.` }} />
      <p class="none"><a href={hoursPath()}>Hours</a> shows every stream.</p>
    </>
  );
}
