import { useAnswer, type Answer } from '../../api/answer';
import { address, get, getPages } from '../../api/client';
import type { Sample, SchemaVersion, SchemasPage, SchemaWindow } from '../../api/schemas';
import type { Page } from '../../api/types';
import { useRefresh } from '../../live/connection';
import { viewOf, type Range } from '../../parts/range';
import { hourMs, stamp } from '../../text/time';

export interface Told { range: Range; windows: SchemaWindow[]; versions: SchemaVersion[] }

/** What hops said of schemas over a range. One that moves is asked for anew as verdicts change, and shown until the answer is there. */
export function useSchemas(stream: string, range: Range): Answer<Told> {
  const within = (text: string) => Date.parse(text) >= range.from && Date.parse(text) < range.to;
  const refresh = useRefresh((w) => w.stream === stream && within(w.start), range.to - range.from > hourMs ? 60_000 : 5_000);
  return useAnswer(`schemas ${stream} ${JSON.stringify(viewOf(range))}`, (signal) => askSchemas(stream, range, signal), refresh);
}

async function askSchemas(stream: string, range: Range, signal: AbortSignal): Promise<Told> {
  const { first, items } = await getPages<SchemasPage>(['streams', stream, 'schemas'], { from: stamp(range.from), to: stamp(range.to) }, signal);
  return { range, windows: items, versions: first.versions ?? [] };
}

export interface Wanted { stream: string; from: number; to: number; hop: string; schema?: string | undefined; version?: string | undefined; reason?: string | undefined }

export const samplesAddress = ({ stream, from, to, ...rest }: Wanted, limit: number): string =>
  address(['streams', stream, 'samples'], { from: stamp(from), to: stamp(to), ...rest, limit });

export const shownSamples = 6;

export function useSamples(wanted: Wanted, refresh: unknown) {
  const url = samplesAddress(wanted, shownSamples);
  return useAnswer(`${wanted.stream} ${wanted.hop} ${wanted.schema} ${wanted.version} ${wanted.reason} ${wanted.to - wanted.from}`, (signal) => get<Page<Sample>>(url, signal), refresh);
}
