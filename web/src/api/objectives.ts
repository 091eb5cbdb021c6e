// The JSON shape of /streams/{stream}/objectives.

/** How fast a budget is used up over a span up to now; 1 uses it up in exactly its days. */
export interface BurnRate { spanMillis: number; events: number; bad: number; rate: number }

export interface Objective {
  objective: string; target: number; thresholdMillis?: number; days: number; events: number; bad: number; share?: number;
  /** 1 while nothing is used up, 0 when all is, negative once it is overdrawn. */
  budgetLeft: number;
  burn: BurnRate[] | null; alarms: string[] | null;
}
