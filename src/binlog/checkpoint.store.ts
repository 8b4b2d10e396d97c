import type { DataSource } from 'typeorm';
import type { BinlogCoordinates } from './binlog.types.js';

/** What is kept beside the place in the log. */
export interface CheckpointNotes {
  /** The index behind each alias when it was last known to be complete: alias → index uuid. */
  readonly indexUuids: Readonly<Record<string, string>>;
  /** Tables whose documents must be verified, and why: `database.table` → reason. Kept until the verification has ended. */
  readonly toVerify: Readonly<Record<string, string>>;
}

/** A place in the log before which everything is in the index. */
export interface Checkpoint extends BinlogCoordinates, CheckpointNotes {
  /** Who saved it. */
  readonly leader: string;
  /** Grows by one with every take-over and every rewind: the fencing token. */
  readonly epoch: number;
  /** UTC, by MySQL's clock. */
  readonly updatedAt: string;
}

/** The table `consistent_checkpoint`. Every statement goes to the primary. */
export class CheckpointStore {
  constructor(readonly dataSource: DataSource) {}

  /** Creates the table where it is missing. Throws `InvalidSchemaError` when the user may not. */
  async ensureTable(): Promise<void> {
    throw new Error('to come');
  }

  async load(_name: string): Promise<Checkpoint | null> {
    throw new Error('to come');
  }

  /**
   * To be called once by whoever has got the leader lock, before `load`: from now on only saves with the returned epoch
   * are taken, and a former leader that wakes up cannot overwrite anything.
   */
  async claim(_name: string, _leader: string): Promise<number> {
    throw new Error('to come');
  }

  /**
   * Saves a place that is not behind the saved one; saving the same again is fine, and shows that one still leads.
   * Throws `LeadershipLostError` when somebody claimed or rewound meanwhile, `CheckpointBehindError` when it would go back.
   */
  async save(_name: string, _epoch: number, _at: BinlogCoordinates, _notes: CheckpointNotes): Promise<void> {
    throw new Error('to come');
  }

  /**
   * Sets the place, forward or back, and takes the leadership from whoever saves: the running leader's next `save` throws
   * `LeadershipLostError`, and it starts again from here. Returns the new epoch.
   */
  async rewind(_name: string, _to: BinlogCoordinates): Promise<number> {
    throw new Error('to come');
  }

  /** Forgets the checkpoint: the backstop begins as if it was new. */
  async remove(_name: string): Promise<void> {
    throw new Error('to come');
  }
}
