// The JSON shapes of /incidents and /silences beyond what the list of open ones needs.
import type { Incident, Window } from './types';

export interface Hint { kind: string; name: string; short: string; evidence: string; events: number; of: number; share: number }

export interface Step { at: string; what: string; who?: string; text?: string; attempts?: number }

/** An incident with what is known of its standing. */
export interface Call extends Incident { into?: string; ackedAt?: string; quiet?: boolean }

export interface IncidentDetail extends Call {
  verdicts: Window[] | null; timeline: Step[] | null; hints?: Hint[] | null; hintsReason?: string; hours?: string[] | null; hops?: string[] | null;
}

export interface Silence {
  id: string; stream?: string; edge?: string; start: string; end: string; author: string; reason: string; madeAt: string; endedBy?: string;
}

/** What is asked for: a silence always has an end and a reason. */
export interface SilenceRequest { stream?: string | undefined; edge?: string | undefined; end: string; reason: string }
