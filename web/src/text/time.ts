// Instants and how they are written. Everything is UTC, whatever the clock of the reader.

export const minuteMs = 60_000;
export const hourMs = 3_600_000;
export const dayMs = 86_400_000;

/** 2026-11-22T05:09:00Z, with a fraction only where there is one. */
export function stamp(ms: number): string {
  return new Date(ms).toISOString().replace('.000Z', 'Z');
}

/** The key of the hour an instant is in: 2026-11-22T05. */
export function hourKey(ms: number): string {
  return new Date(ms).toISOString().slice(0, 13);
}

/** The start of an hour from its key; NaN when it is not one. */
export function hourStart(key: string): number {
  return /^\d{4}-\d{2}-\d{2}T\d{2}$/.test(key) ? Date.parse(`${key}:00:00Z`) : Number.NaN;
}

export const floorHour = (ms: number): number => Math.floor(ms / hourMs) * hourMs;
export const floorDay = (ms: number): number => Math.floor(ms / dayMs) * dayMs;

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const days = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];

/** 22 Nov 2026 */
export function date(ms: number): string {
  const d = new Date(ms);
  return `${d.getUTCDate()} ${months[d.getUTCMonth()]} ${d.getUTCFullYear()}`;
}

/** Sun 22 Nov */
export function day(ms: number): string {
  const d = new Date(ms);
  return `${days[d.getUTCDay()]} ${d.getUTCDate()} ${months[d.getUTCMonth()]}`;
}

/** 05:09, with seconds where the instant is not a whole minute. */
export function clock(ms: number): string {
  const text = new Date(ms).toISOString();
  return ms % minuteMs === 0 ? text.slice(11, 16) : text.slice(11, 19);
}

/** 05:09:03.120, the fraction only where there is one. */
export function exactClock(ms: number): string {
  return new Date(ms).toISOString().slice(11, 23).replace(/\.000$/, '');
}

/** 05:09–05:10, both with seconds where one needs them; an interval that ends at midnight ends at 24:00. */
export function span(from: number, to: number): string {
  const length = from % minuteMs === 0 && to % minuteMs === 0 ? 5 : 8;
  const text = (ms: number) => new Date(ms).toISOString().slice(11, 11 + length);
  return `${text(from)}–${to % dayMs === 0 ? '24:00:00'.slice(0, length) : text(to)}`;
}

/** 22 Nov 05:09:03.120, for tables; a dash when there is none. */
export function instant(text: string | undefined): string {
  const ms = text === undefined ? Number.NaN : Date.parse(text);
  if (!Number.isFinite(ms)) return '–';
  const d = new Date(ms);
  return `${d.getUTCDate()} ${months[d.getUTCMonth()]} ${exactClock(ms)}`;
}

/** 2026-11-22 05:09 as one word for a heading: "22 Nov 2026, 05:09 UTC". */
export function moment(ms: number): string {
  return `${date(ms)}, ${clock(ms)} UTC`;
}
