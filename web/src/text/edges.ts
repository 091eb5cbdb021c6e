// Edges as text: app..agent.

/** The two hops of an edge. */
export function ends(edge: string): [from: string, to: string] {
  const i = edge.indexOf('..');
  return i < 0 ? [edge, ''] : [edge.slice(0, i), edge.slice(i + 2)];
}

/** app → agent */
export const arrow = (edge: string): string => ends(edge).join(' → ');

/** Edges in the order events pass them; those of one depth by name. A cycle ends the counting. */
export function ordered(edges: string[]): string[] {
  const into = new Map<string, string[]>();
  for (const e of edges) {
    const [from, to] = ends(e);
    into.set(to, [...(into.get(to) ?? []), from]);
  }
  const depth = (hop: string, seen: string[] = []): number => {
    if (seen.includes(hop)) return seen.length;
    return Math.max(0, ...(into.get(hop) ?? []).map((h) => 1 + depth(h, [...seen, hop])));
  };
  const rank = new Map(edges.map((e) => [e, depth(ends(e)[1])]));
  return [...new Set(edges)].sort((a, b) => rank.get(a)! - rank.get(b)! || (a < b ? -1 : 1));
}
