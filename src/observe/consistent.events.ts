import { EventEmitter } from 'node:events';
import type { VerifyCounts } from '../verify/verify.types.js';
import type { LagAlert, LagReport } from './lag.monitor.js';

/** What the library reports while it works. Never row contents. */
export interface ConsistentEventMap {
  /** A row in `prepare` was settled by somebody who came after its writer. */
  settled: [{ entity: string; dataSource: string; verdict: 'commit' | 'restore'; by: SettlePurpose }];
  /** A row could be neither committed nor restored. */
  parked: [{ entity: string; dataSource: string; key: string; version: number; reason: string }];
  /** The index held a version from outside the protocol; the row was lifted above it. */
  foreignVersion: [{ entity: string; dataSource: string; key: string; version: number; theirs: number | null }];
  /** One write ended. */
  written: [{ entity: string; dataSource: string; operation: string; outcome: string }];
  /** One sweep over one table ended. */
  swept: [{ entity: string; dataSource: string; claimed: number; settled: number; failed: number }];
  /** One table was verified to the end. */
  verified: [VerifyCounts & { entity: string; consistent: boolean; seconds: number }];
  /** The binlog backstop stands by, leads, failed …; `reason` says why it failed. */
  backstopState: [{ state: 'stopped' | 'standby' | 'starting' | 'leading' | 'failed'; reason: string | null }];
  /** Something may be wrong in a table that the log does not tell: it will be verified, with repair. */
  backstopToVerify: [{ table: string; reason: string }];
  /** The index is behind MySQL by more than a threshold; the diagnosis says where the time goes. */
  backstopLag: [LagAlert];
  /** It is well below the thresholds again. */
  backstopRecovered: [LagReport];
}

/** Who asked for a row to be settled. */
export type SettlePurpose = 'read' | 'write' | 'sweep' | 'operator';

/** Typed events of one module instance. Listeners must not throw; they run in line with the work. */
export class ConsistentEvents extends EventEmitter<ConsistentEventMap> {}
