import { useAnswer, type Answer } from '../../api/answer';
import { address, get, getPages } from '../../api/client';
import type { Sample, SchemaHop, SchemaVersion, SchemasPage, SchemaWindow } from '../../api/schemas';
import type { Page } from '../../api/types';
import { useRefresh } from '../../live/connection';
import { viewOf, type Range } from '../../parts/range';
import { hourMs, stamp } from '../../text/time';

/** Columns of the picture on a wide page. */
export const mostColumns = 120;

export interface Told { range: Range; windows: SchemaWindow[]; versions: SchemaVersion[]; hops: SchemaHop[] }

/** What hops said of schemas over a range. One that moves is asked for anew as verdicts change, and shown until the answer is there. */
export function useSchemas(stream: string, range: Range): Answer<Told> {
  const within = (text: string) => Date.parse(text) >= range.from && Date.parse(text) < range.to;
  const refresh = useRefresh((w) => w.stream === stream && within(w.start), range.to - range.from > hourMs ? 60_000 : 5_000);
  return useAnswer(`schemas ${stream} ${JSON.stringify(viewOf(range))}`, (signal) => askSchemas(stream, range, signal), refresh);
}

/** How many seconds of windows to have in a row: a long range has as many rows as the picture has columns, however short its windows. */
export function stepOf(long: number): number | undefined {
  if (long <= 2 * hourMs) return undefined;
  return Math.ceil(long / mostColumns / 600_000) * 600;
}

async function askSchemas(stream: string, range: Range, signal: AbortSignal): Promise<Told> {
  const { first, items } = await getPages<SchemasPage>(['streams', stream, 'schemas'], { from: stamp(range.from), to: stamp(range.to), step: stepOf(range.to - range.from) }, signal);
  return { range, windows: items, versions: first.versions ?? [], hops: first.hops ?? [] };
}

export interface Wanted { stream: string; from: number; to: number; hop: string; schema?: string | undefined; version?: string | undefined; reason?: string | undefined }

const mostSamples = 200;

export const samplesAddress = ({ stream, from, to, hop, schema, version, reason }: Wanted): string =>
  address(['streams', stream, 'samples'], { from: stamp(from), to: stamp(to), hop, schema, version, reason, limit: mostSamples });

/** The samples of a hop, and of one schema, version and reason where these are named. */
export function useSamples(wanted: Wanted, refresh: unknown): Answer<Sample[]> {
  const load = async (signal: AbortSignal) => (await get<Page<Sample>>(samplesAddress(wanted), signal)).items;
  return useAnswer(`${wanted.stream} ${wanted.hop} ${wanted.schema} ${wanted.version} ${wanted.reason} ${wanted.to - wanted.from}`, load, refresh);
}
