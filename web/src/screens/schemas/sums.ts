// Sums over windows. What a window does not name is in them too: nothing is left out.
import type { HostCount, Outcomes, SchemaCount, SchemaWindow } from '../../api/schemas';
import { outcome } from '../../state/outcomes';

const sum = <T>(all: T[], of: (t: T) => number) => all.reduce((n, t) => n + of(t), 0);

/** The outcomes of all the windows. */
export function outcomesOf(all: SchemaWindow[]): Outcomes {
  const of = (k: keyof Outcomes) => sum(all, (w) => w[k]);
  return { checked: of('checked'), ok: of('ok'), invalid: of('invalid'), unknownSchema: of('unknownSchema'), undecodable: of('undecodable'), deprecated: of('deprecated') };
}

export interface Delivery { expected: number; delivered: number; lost: number; pending: number }

/** What arrived over the edges into the hop. */
export function deliveryOf(all: SchemaWindow[]): Delivery {
  const edges = all.flatMap((w) => w.edges ?? []);
  return { expected: sum(edges, (e) => e.expected), delivered: sum(edges, (e) => e.delivered), lost: sum(edges, (e) => e.lost), pending: sum(edges, (e) => e.pending) };
}

/** Counts of the same outcome, schema, version and reason added; the worst outcome first, then the most events. What was not named stays one row an outcome. */
export function countsOf(all: SchemaWindow[]): SchemaCount[] {
  const added = add(all.flatMap((w) => w.counts ?? []), (c) => [c.outcome, c.schema, c.version, c.reason, c.other === undefined]);
  return added.sort((a, b) => outcome(b.outcome).rank - outcome(a.outcome).rank || b.events - a.events);
}

/** Hosts added, those with the most events first. */
export const hostsOf = (all: HostCount[]): HostCount[] => add(all, (h) => [h.host, h.other === undefined]).sort((a, b) => b.events - a.events);

function add<T extends { events: number; other?: number }>(all: T[], key: (t: T) => unknown[]): T[] {
  const found = new Map<string, T>();
  for (const c of all) {
    const k = JSON.stringify(key(c));
    const old = found.get(k);
    found.set(k, old === undefined ? c : { ...old, events: old.events + c.events, ...(c.other === undefined ? {} : { other: Math.max(old.other ?? 0, c.other) }) });
  }
  return [...found.values()];
}

/** The hop an address names; without one, that with the most violations. */
export function hopOf(all: SchemaWindow[], asked: string | null): string | undefined {
  if (asked !== null) return asked;
  const hops = [...new Set(all.map((w) => w.hop))];
  const bad = (hop: string) => sum(all.filter((w) => w.hop === hop), (w) => w.invalid + w.undecodable + w.unknownSchema);
  return hops.reduce<string | undefined>((worst, h) => (worst === undefined || bad(h) > bad(worst) ? h : worst), undefined);
}
