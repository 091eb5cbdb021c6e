// The JSON shapes of /streams/{stream}/schemas and /samples.
import type { Standing } from '../text/standing';
import type { Page } from './types';

export type OutcomeWord = 'OK' | 'INVALID' | 'UNKNOWN_SCHEMA' | 'UNDECODABLE' | 'DEPRECATED';

/** How many events had one outcome for one reason; other: the sum of so many that are not named. */
export interface SchemaCount { outcome: string; schema?: string; version?: string; reason?: string; events: number; other?: number }

export interface HostCount { host?: string; events: number; other?: number }

export interface SchemaEdge { edge: string; state: string; expected: number; delivered: number; lost: number; pending: number }

export interface Outcomes { checked: number; ok: number; invalid: number; unknownSchema: number; undecodable: number; deprecated: number }

/** One window, or as many in a row as `seconds` are long. */
export interface SchemaWindow extends Outcomes, Standing {
  start: string; seconds: number; hop: string; sentence: string; produced: number; edges: SchemaEdge[] | null;
  counts: SchemaCount[] | null; sources: HostCount[] | null; emitters: HostCount[] | null;
}

export interface SchemaVersion {
  hop: string; schema?: string; version?: string; first: string; last: string; events: number; ok: number; invalid: number; deprecated: number; other?: number;
}

export interface SchemasPage extends Page<SchemaWindow> { versions: SchemaVersion[] | null; hops?: SchemaHop[] }

/** How many windows of a hop may still change, whether or not it checks schemas. */
export interface SchemaHop extends Standing { hop: string }

/** One event that broke its schema; the hop that checked it masked its payload. */
export interface Sample {
  stream: string; hop: string; emitter: string; host?: string; window: string; seconds: number; at: string; uid: string; schema: string; version?: string;
  outcome: string; reason?: string; path?: string; payload: string; cut?: boolean;
}
