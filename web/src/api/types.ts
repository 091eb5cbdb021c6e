// The JSON shapes of /api/v1 that the pages read. Times are RFC 3339 UTC text.

export interface Page<T> { items: T[]; next?: string }

export interface Reason {
  code: string; text: string; hop?: string; lane?: string; emitter?: string; source?: string;
  host?: string; lastHeard?: string; atRisk?: number;
}

/** Of what arrived; beyond names the figures that have not arrived once all is counted. */
export interface Latency { p50: number; p95: number; p99: number; max: number; notArrived?: number; beyond?: string[] | null }

/** What windows and hours both count. */
export interface Counts {
  produced: number; expected: number; delivered: number; lost: number; pending: number;
  duplicated: number; redelivered: number; unexpected: number; corrupt: number; invalid: number;
  filtered: number; rejected: number; skewed: number; unplaced: number; late: number;
  /** Found by the edge's earlier hop, where no edge leads to it. */
  invalidAtSource: number;
}

export interface Window extends Counts {
  stream: string; start: string; seconds: number; edge: string; state: string; revision: number;
  latency?: Latency; reasons: Reason[] | null; cause?: string; decidedAt?: string;
}

export interface WindowDetail extends Window { revisions: Window[] | null }

export interface Hop { hop: string; after?: string[]; emitters: number; dark: number }

export interface Stream {
  stream: string; hops: Hop[] | null; edges: string[] | null; watermark?: string; last: Window[] | null;
  settings?: { windowSeconds?: number; owner?: string };
}

export interface Hour extends Counts {
  stream: string; hour: string; state: string; certified: boolean; nextCertifiableAt?: string; certificate?: { number: number; standing: string };
}

export interface HourDetail extends Hour { windows: Window[] | null }

export interface Uid {
  uid: string; source?: string; sequence?: number; host?: string; lastHop?: string; times: number;
}

export interface LaneEvidence {
  hop: string; epoch: number; lane: string; emitter?: string; host?: string; watermark?: string;
  closed: boolean; passedAt?: string;
}

export interface HopEvidence {
  hop: string; target?: string; k?: string; handedOn?: string; seen: number; lanes: LaneEvidence[] | null;
}

export interface ReportEvidence {
  hop: string; emitter: string; host?: string; number: number; sentAt: string; receivedAt: string; counted: boolean;
}

export interface Evidence {
  stream: string; start: string; edge?: string; hops: HopEvidence[] | null; reports: ReportEvidence[] | null;
  settleLimit?: string;
}

export interface TraceHop { hop: string; seen: boolean; kinds: string[] | null; emitters: string[] | null; host?: string }

export interface Trace {
  uid: string; source?: string; sequence?: number; stream: string; window: string; hops: TraceHop[] | null;
  lastHop: string; neighbours?: { before?: string; after?: string };
}

export interface Incident {
  id: string; stream: string; edge?: string | undefined; cause: string; state: string; first: string; last: string; windows: number; bad: number;
  firstBad: string; lost: number; expected: number; events: number; openedAt: string; since: string; text: string; ackedBy?: string; muted?: boolean;
}

export interface Status {
  version: string; store: string; kafka: string; ingestLag: number; reports: number; quarantined: number;
  lastPass?: string; lastPassMillis: number; reconcileAgeMillis: number; dirty: number; demo?: boolean;
}

export interface Problem {
  title?: string; status?: number; detail?: string; errors?: { path: string; message: string }[] | null;
}
