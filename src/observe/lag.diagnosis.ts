/** Where a change spends its time between its commit and the index. */
export type LagStage = 'read' | 'queue' | 'bulk' | 'row-reads';

/** What the pipeline can say of itself at this moment. */
export interface PipelineGauges {
  readonly queuedRows: number;
  readonly queuedBytes: number;
  readonly maxQueuedBytes: number;
  readonly bulksUnderWay: number;
  readonly maxParallelBulks: number;
  /** How long the oldest bulk has been under way, in ms; 0 when there is none. */
  readonly slowestBulkMs: number;
  /** Tables that hold the watermark, and why. */
  readonly blockedTables: Readonly<Record<string, string>>;
}

export interface LagDiagnosis {
  /** Where most of the time went. Null when nothing was timed. */
  readonly stage: LagStage | null;
  /** Share of each stage in the time measured, 0 … 1. */
  readonly shares: Readonly<Record<LagStage, number>>;
  readonly gauges: PipelineGauges;
  /** The same in words, most likely cause first. */
  readonly findings: readonly string[];
}
