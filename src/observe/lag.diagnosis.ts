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
  readonly oldestBulkMs: number;
  /** Tables that hold the watermark, and why: `database.table` → reason. */
  readonly blockedTables: Readonly<Record<string, string>>;
}

export interface LagDiagnosis {
  /** Where most of the time went. Null when nothing was timed. */
  readonly stage: LagStage | null;
  /** Share of each stage in the time that was measured, 0 … 1. */
  readonly shares: Readonly<Record<LagStage, number>>;
  readonly gauges: PipelineGauges;
  /** The same in words, the surest cause first. Never empty. */
  readonly findings: readonly string[];
}

/** Time spent in each stage, in ms. */
export type StageTimes = Readonly<Record<LagStage, number>>;

export const LAG_STAGES: readonly LagStage[] = ['read', 'queue', 'bulk', 'row-reads'];
/** A bulk takes milliseconds; one of seconds waits for something. */
const SLOW_BULK_MS = 2_000;
const FULL_SHARE = 0.9;
/** Below this no single stage is to blame. */
const DOMINANT_SHARE = 0.5;

const STAGE_FINDINGS: Readonly<Record<LagStage, string>> = {
  read: 'Most of the time passes before the changes are here: MySQL sends slowly, or this process lacks CPU to read.',
  queue:
    'Most of the time passes in the queue: more comes in than Elasticsearch takes. Raise maxParallelBulks if the cluster has room.',
  bulk: 'Most of the time passes in bulk requests: look at the cluster (indexing pressure, merges, refreshes, disks).',
  'row-reads':
    'Most of the time passes in reading rows again after conflicts: rows are written around the library and through it at once.',
};

/** Says from the figures what keeps the index behind. */
export function diagnoseLag(times: StageTimes, gauges: PipelineGauges): LagDiagnosis {
  const total = LAG_STAGES.reduce((sum, stage) => sum + times[stage], 0);
  const shares = Object.fromEntries(
    LAG_STAGES.map((stage) => [stage, total === 0 ? 0 : times[stage] / total]),
  ) as Record<LagStage, number>;
  const stage = total === 0 ? null : LAG_STAGES.reduce((worst, one) => (times[one] > times[worst] ? one : worst));
  const findings = [...gaugeFindings(gauges)];
  if (stage !== null && shares[stage] >= DOMINANT_SHARE) findings.push(STAGE_FINDINGS[stage]);
  if (findings.length === 0) findings.push('No single cause stands out: the time is spread over the stages.');
  return { stage, shares, gauges, findings };
}

function* gaugeFindings(gauges: PipelineGauges): Iterable<string> {
  for (const [table, reason] of Object.entries(gauges.blockedTables)) yield `The table ${table} is blocked: ${reason}`;
  if (gauges.oldestBulkMs >= SLOW_BULK_MS) {
    yield `A bulk request has been under way for ${Math.round(gauges.oldestBulkMs)} ms: Elasticsearch is slow or does not answer.`;
  }
  if (gauges.queuedBytes >= FULL_SHARE * gauges.maxQueuedBytes) {
    yield `The queue is full (${gauges.queuedRows} rows, ${gauges.queuedBytes} of ${gauges.maxQueuedBytes} bytes): reading the log waits for Elasticsearch.`;
  } else if (gauges.queuedRows === 0 && gauges.bulksUnderWay === 0) {
    yield 'Nothing is queued and no bulk is under way: the changes have not come from MySQL yet.';
  }
}
