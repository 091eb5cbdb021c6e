// The JSON shapes of /streams/{stream}/latency. Milliseconds since production; a figure without a number has not arrived.
import type { Page } from './types';

/** Above lower and not above upper, in ms; or an event that has not arrived. */
export interface Quantile { lower?: number; upper?: number; notArrived?: boolean }

export interface Bucket { lower: number; upper: number; count: number }

export interface Distribution {
  p50?: Quantile; p95?: Quantile; p99?: Quantile; max?: Quantile; relativeError: number;
  measured: number; negative: number; notArrived: number; notArrivedAtMost?: boolean; buckets: Bucket[] | null;
}

/** Of an edge, of a hop, or end to end. */
export interface LatencyOf extends Distribution { edge?: string; hop: string; endToEnd?: boolean }

export interface LatencyWindow extends LatencyOf { start: string; seconds: number }

export interface Freshness { edge: string; start: string; seconds: number; ageMillis: number; ageAtLeastMillis: number }

export interface Clock { host: string; atLeastAheadMillis?: number; reports: number; measured: number; negative: number }

export interface LatencyPage extends Page<LatencyWindow> { whole?: LatencyOf[]; freshness?: Freshness[]; clocks?: Clock[] }
