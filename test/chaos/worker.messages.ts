import type { PlanOptions } from './operation.plan.js';

/** What a worker process is told at its start (as JSON, its only argument). */
export interface WorkerOptions extends PlanOptions {
  readonly historyPath: string;
  readonly mysqlUrl: string;
  readonly replicaUrl?: string;
  readonly elasticsearchUrl: string;
  /** How many operations run at the same time. */
  readonly lanes: number;
  /** The number of its first operation: more than 0 after a kill. */
  readonly from: number;
  /** Writes still to be begun; a reader goes on until it is told to stop. */
  readonly writes: number;
  readonly sweeper: boolean;
  readonly acknowledge: 'committed' | 'indexed';
  readonly groupCommit: boolean;
}

export type ToWorker =
  /** Begin no more operations, finish those under way, and end. */
  | { readonly kind: 'stop' }
  /** Make `Date` be off by so much. */
  | { readonly kind: 'clock'; readonly offsetMs: number };

export type FromWorker =
  | { readonly kind: 'ready' }
  /** Since its start: operations and writes begun. Sent a few times a second. */
  | { readonly kind: 'progress'; readonly operations: number; readonly writes: number }
  | { readonly kind: 'finished' };
