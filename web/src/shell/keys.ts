// Two keys lead to a screen: g, then its letter.
import { useEffect } from 'preact/hooks';
import { go, hoursPath, incidentsPath, latencyPath, place, schemasPath, type Route } from '../router/router';

const patience = 1500;

/** Where a letter leads from here; latency and schemas are those of the stream at hand. */
export function screenOf(letter: string, route: Route): string | undefined {
  const stream = 'stream' in route ? route.stream : undefined;
  switch (letter) {
    case 'h': return hoursPath();
    case 'i': return incidentsPath();
    case 'l': return stream && latencyPath(stream);
    case 's': return stream && schemasPath(stream);
    default: return undefined;
  }
}

const writes = (e: KeyboardEvent) => e.target instanceof HTMLInputElement || e.ctrlKey || e.metaKey || e.altKey;

/** Listens for g and a letter. */
export function useScreenKeys(): void {
  useEffect(() => {
    let since = -patience;
    const pressed = (e: KeyboardEvent) => {
      if (writes(e)) return;
      const to = e.timeStamp - since < patience ? screenOf(e.key, place.value.route) : undefined;
      since = e.key === 'g' ? e.timeStamp : -patience;
      if (to !== undefined) { e.preventDefault(); go(to); }
    };
    addEventListener('keydown', pressed);
    return () => removeEventListener('keydown', pressed);
  }, []);
}
