import { useEffect, useRef } from 'preact/hooks';
import { forget, refusal, token } from '../api/token';
import { live } from '../live/connection';
import type { Live } from '../live/reducer';
import { go, hoursPath, incidentsPath, uidPath } from '../router/router';
import { exactClock } from '../text/time';
import { useScreenKeys } from './keys';
import { theme, turnTheme } from './theme';

/** What stands over every page: the way home, one field for a UID, how fresh the page is, and the theme. */
export function Header() {
  const inside = refusal.value === undefined;
  useScreenKeys();
  return (
    <header class="top">
      <a class="home" href="/"><Mark />Rollcall</a>
      <nav aria-label="Pages"><a href={hoursPath()}>Hours</a><a href={incidentsPath()}>Incidents</a></nav>
      {inside && <Find />}
      {inside && <Freshness live={live.value} />}
      {inside && token.value !== undefined && <button type="button" class="plain" onClick={forget}>Forget token</button>}
      <button type="button" class="plain" onClick={turnTheme} aria-label={`Theme: ${theme.value}. Change it.`}>Theme: {theme.value}</button>
    </header>
  );
}

function Mark() {
  return (
    <svg class="logo" viewBox="0 0 16 16" aria-hidden="true">
      <path d="M2 4.5l1.6 1.6L6.4 3M2 11.5l1.6 1.6 2.8-3.1M9 4.5h5" />
      <path d="M9 11.5h5" class="gap" />
    </svg>
  );
}

function Find() {
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const pressed = (e: KeyboardEvent) => {
      if (e.key !== '/' || e.ctrlKey || e.metaKey || e.target instanceof HTMLInputElement) return;
      e.preventDefault();
      field.current?.focus();
    };
    addEventListener('keydown', pressed);
    return () => removeEventListener('keydown', pressed);
  }, []);
  const submitted = (e: Event) => {
    e.preventDefault();
    const uid = field.current?.value.trim() ?? '';
    if (uid !== '') go(uidPath(uid));
  };
  return (
    <form class="find" role="search" onSubmit={submitted}>
      <input ref={field} type="search" name="uid" aria-label="Find an event by its UID" placeholder="Find an event by its UID" autocomplete="off" spellcheck={false} />
    </form>
  );
}

/** Live, Polling or Stale since when: how far to trust that the page is of now. */
function Freshness({ live: l }: { live: Live }) {
  const text = { connecting: 'Connecting', live: 'Live', polling: 'Polling', stale: `Stale since ${exactClock(Math.floor(l.heard / 1000) * 1000)} UTC` }[l.mode];
  return <p class={`fresh fresh-${l.mode}`} role="status"><i />{text}</p>;
}
