// The JSON shapes of /streams/{stream}/latency. Milliseconds since production; a figure without a number has not arrived.
import type { Standing } from '../text/standing';
import type { Page } from './types';

/** Above lower and not above upper, in ms; or an event that has not arrived. */
export interface Quantile { lower?: number; upper?: number; notArrived?: boolean }

export interface Bucket { lower: number; upper: number; count: number }

export interface Distribution {
  p50?: Quantile; p95?: Quantile; p99?: Quantile; max?: Quantile; relativeError: number;
  measured: number; negative: number; untold?: number; ofHop?: boolean; arrived?: number; notArrived: number; notArrivedAtMost?: boolean; buckets: Bucket[] | null;
}

/** Of an edge, of a hop, or end to end. */
export interface LatencyOf extends Distribution { edge?: string; hop: string; endToEnd?: boolean }

export interface LatencyWindow extends LatencyOf { start: string; seconds: number }

/** All windows of a range, merged. */
export interface LatencyWhole extends LatencyOf, Standing {}

/** The window of the newest delivered event; or nothing since an instant. */
export interface Freshness { edge: string; start?: string; seconds?: number; ageMillis: number; ageAtLeastMillis: number; nothingSince?: string }

export interface Clock { host: string; atLeastAheadMillis?: number; lowestAheadMillis?: number; usualTransitMillis?: number; reports: number; measured: number; negative: number }

export interface LatencyPage extends Page<LatencyWindow> { whole?: LatencyWhole[]; freshness?: Freshness[]; clocks?: Clock[] }
