import type { BinlogCoordinates } from './binlog.types.js';

/** What the server says of itself: `SELECT @@server_uuid …`, `SHOW BINARY LOGS`. */
export interface ServerFacts {
  readonly serverUuid: string;
  /** `@@GLOBAL.gtid_mode`: only with `ON` does every transaction have a GTID. */
  readonly gtidMode: string;
  readonly gtidExecuted: string;
  readonly gtidPurged: string;
  /** Files that are still there, with their sizes in bytes, oldest first. */
  readonly binlogs: readonly { readonly file: string; readonly size: number }[];
}

export type ResumeDecision =
  /** Nothing is missing. `switched`: it is another server than before. */
  | { readonly kind: 'resume-by-gtid'; readonly gtidSet: string; readonly switched: boolean }
  | { readonly kind: 'resume-by-position'; readonly file: string; readonly position: number }
  /** The server no longer has changes that were never seen. Verify every table, go on at `resume`. */
  | {
      readonly kind: 'purged';
      /** The transactions that were lost; null where only files are known. */
      readonly lost: string | null;
      readonly reason: string;
      /** Where the log can be read from: to be begun before the verification. */
      readonly resume: ResumePoint;
    }
  /** The index has seen changes that this server does not have (any more, or yet). Verify every table, go on at `resume`. */
  | {
      readonly kind: 'errant';
      /** What this server lacks; null where that cannot be told. */
      readonly missing: string | null;
      /** True when the server lacks some of its own: it was reset, restored or lost its tail. They will not come again. */
      readonly own: boolean;
      /** What was purged unseen besides, or null. */
      readonly lost: string | null;
      readonly reason: string;
      readonly resume: ResumePoint;
    };

export type ResumePoint =
  | { readonly kind: 'gtid-set'; readonly gtidSet: string }
  | { readonly kind: 'position'; readonly file: string; readonly position: number };

/** Where to go on reading, and whether anything may have been missed. To be asked at every connect, not only at the first. */
export function decideResume(_checkpoint: BinlogCoordinates, _server: ServerFacts): ResumeDecision {
  throw new Error('to come');
}
