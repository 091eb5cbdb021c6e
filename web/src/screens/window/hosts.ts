import type { Uid } from '../../api/types';

/** How many come from each host, most first; "" where nobody named one. */
export function byHost(uids: Uid[]): [host: string, n: number][] {
  const found = new Map<string, number>();
  for (const u of uids) found.set(u.host ?? '', (found.get(u.host ?? '') ?? 0) + 1);
  return [...found].sort((a, b) => b[1] - a[1]);
}
