// How numbers are written. A ratio is floored, so 100 % means that none is missing.

const thin = '\u202f'; // narrow no-break space

/** An integer with thin spaces between thousands; a dash when there is none. */
export function count(n: number | undefined): string {
  if (n === undefined || !Number.isFinite(n)) return '–';
  const digits = String(Math.trunc(Math.abs(n)));
  return (n < 0 ? '−' : '') + digits.replace(/\B(?=(\d{3})+(?!\d))/g, thin);
}

/** At most three characters for a cell: 7, 312, 4k, 12M; rounded down. */
export function brief(n: number): string {
  for (const [unit, name] of [[1e9, 'G'], [1e6, 'M'], [1e3, 'k']] as const) {
    if (n >= unit) return n / unit >= 100 ? `${name}+` : `${Math.floor(n / unit)}${name}`;
  }
  return String(n);
}

const parts = 100_000; // three decimals of a percentage

/** delivered of expected in percent, floored to three decimals; a dash when nothing was expected. */
export function percent(delivered: number, expected: number): string {
  if (!(expected > 0)) return '–';
  if (delivered >= expected) return `100${thin}%`;
  const floored = Math.min(Math.max(Math.floor((delivered / expected) * parts), 0), parts - 1);
  return `${(floored / 1000).toFixed(3)}${thin}%`;
}

/** `one event`-style agreement: plural(1, 'event') is "1 event". */
export function plural(n: number, word: string, many = `${word}s`): string {
  return `${count(n)} ${n === 1 ? word : many}`;
}

/** Milliseconds for people: 840 ms, 4.2 s, 3 min. */
export function millis(ms: number | undefined): string {
  if (ms === undefined || !Number.isFinite(ms)) return '–';
  if (ms < 1000) return `${Math.round(ms)}${thin}ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)}${thin}s`;
  return `${Math.round(ms / 60_000)}${thin}min`;
}

/** Names joined as a sentence has them: a, b and c. */
export function listed(names: string[]): string {
  if (names.length < 2) return names.join('');
  return `${names.slice(0, -1).join(', ')} and ${names[names.length - 1]}`;
}
