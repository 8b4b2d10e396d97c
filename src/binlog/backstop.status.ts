import type { ConsistencyMeter, ConsistencySnapshot } from '../observe/consistency.meter.js';
import type { LagReport } from '../observe/lag.monitor.js';
import type { AdoptionCounts } from './adoption.table.js';
import type { ResolvedBackstopOptions } from './backstop.options.js';
import type { BackstopRun } from './backstop.run.js';
import type { BinlogCoordinates } from './binlog.types.js';

/**
 * - `stopped`;
 * - `standby`: another instance leads, or MySQL cannot be reached;
 * - `starting`: has the leadership, looks at the server;
 * - `leading`: follows the log;
 * - `failed`: will begin anew; `reason` says why.
 */
export type BackstopState = 'stopped' | 'standby' | 'starting' | 'leading' | 'failed';

export interface BackstopTableStatus extends Readonly<AdoptionCounts> {
  /** Changes under way. */
  readonly pending: number;
  /** Why its rows are not followed for now, or null. */
  readonly closed: string | null;
  /** Why some change is being repeated, or null. */
  readonly trouble: string | null;
  /** Documents that are refused. */
  readonly refused: number;
}

export interface BackstopStatus {
  readonly state: BackstopState;
  readonly reason: string | null;
  /** True while something is known to be wrong or not known to be right: a table to verify, a refused document, a closed table, a failure. */
  readonly degraded: boolean;
  readonly serverId: number;
  /** Everything before it is in the index. */
  readonly position: BinlogCoordinates | null;
  /** The position that a restart begins from. */
  readonly checkpoint: BinlogCoordinates | null;
  readonly pendingRows: number;
  readonly queuedBytes: number;
  /** `database.table` → why it is to be verified. */
  readonly toVerify: Readonly<Record<string, string>>;
  readonly tables: Readonly<Record<string, BackstopTableStatus>>;
  readonly lag: LagReport | null;
  readonly consistency: ConsistencySnapshot;
}

export interface StatusSources {
  readonly state: BackstopState;
  readonly reason: string | null;
  readonly options: ResolvedBackstopOptions;
  readonly run: BackstopRun | null;
  readonly meter: ConsistencyMeter;
}

export function statusOf({ state, reason, options, run, meter }: StatusSources): BackstopStatus {
  const pipeline = run?.pipeline ?? null;
  const open = pipeline ? [...pipeline.watermark.open()] : [];
  const tables = Object.fromEntries(
    [...(run?.tables ?? [])].map(([name, { counts, queue, closed, trouble, refusals }]) => [
      name,
      { ...counts, pending: queue.size, closed, trouble, refused: refusals.size },
    ]),
  );
  const toVerify = run?.suspects.entries() ?? {};
  const wrong = Object.values(tables).some(({ closed, refused }) => closed !== null || refused > 0);
  return {
    state,
    reason,
    degraded: state === 'failed' || wrong || Object.keys(toVerify).length > 0,
    serverId: options.serverId,
    position: pipeline?.low() ?? null,
    checkpoint: run?.saved ?? null,
    pendingRows: pipeline?.pendingRows ?? 0,
    queuedBytes: (pipeline?.watermark.bytes ?? 0) + (run?.source.statistics.queuedBytes ?? 0),
    toVerify,
    tables,
    lag: pipeline && run ? run.lag.report(open) : null,
    consistency: meter.snapshot(open),
  };
}
