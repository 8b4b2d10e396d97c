import type { DataSource } from 'typeorm';
import { CheckpointBehindError, InvalidSchemaError, LeadershipLostError } from '../errors.js';
import { checkpointTableSql } from '../mysql/consistent.migration.js';
import { errnoOf } from '../mysql/mysql.errors.js';
import { tableExists } from '../mysql/table.facts.js';
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

const ER_TABLEACCESS_DENIED = 1142;
const COLUMNS =
  'gtid_set, file, CAST(position AS CHAR) AS position, server_uuid, leader, CAST(epoch AS CHAR) AS epoch, ' +
  'CAST(index_uuids AS CHAR) AS index_uuids, CAST(to_verify AS CHAR) AS to_verify, CAST(updated_at AS CHAR) AS updated_at';
const PLACE = ['gtid_set', 'file', 'position', 'server_uuid'] as const;
/**
 * A GTID set that has all of the saved one is not behind it. Without GTIDs only places of the same server can be compared;
 * files are numbered, and a longer number is a later one.
 */
const NOT_BEHIND =
  `((gtid_set = '' AND file = '') OR (? <> '' AND GTID_SUBSET(gtid_set, ?)) OR ` +
  `(gtid_set = '' AND server_uuid = ? AND (LENGTH(file), file, position) <= (LENGTH(?), ?, ?)))`;

/** The table `consistent_checkpoint` of one DataSource. Every statement goes to the primary. */
export class CheckpointStore {
  constructor(readonly dataSource: DataSource) {}

  /**
   * Creates the table where it is missing. A user without the right to create needs it made by a migration.
   * Throws `InvalidSchemaError` when it is missing and may not be created.
   */
  async ensureTable(): Promise<void> {
    const ask = (sql: string, values?: unknown[]) => this.dataSource.query(sql, values);
    if (await tableExists(ask, 'consistent_checkpoint')) return;
    await this.dataSource.query(checkpointTableSql()).catch((error: unknown) => {
      if (errnoOf(error) !== ER_TABLEACCESS_DENIED) throw error;
      throw new InvalidSchemaError(
        'The table consistent_checkpoint is missing, or the database user may not see it, and may not create it. Run ' +
          'createCheckpointTable(queryRunner) in a migration, and grant SELECT, INSERT, UPDATE on it.',
        { table: 'consistent_checkpoint' },
        error,
      );
    });
  }

  /** Null where none was ever saved. */
  async load(name: string): Promise<Checkpoint | null> {
    const row = await this.row(name);
    return row && (row.file !== '' || row.gtid_set !== '') ? checkpointOf(row) : null;
  }

  /**
   * To be called by whoever has got the leader lock, before `load`: from now on only saves with the returned epoch are
   * taken, and a former leader that wakes up overwrites nothing.
   */
  async claim(name: string, leader: string): Promise<number> {
    const claimed = (await this.dataSource.query(
      `INSERT INTO consistent_checkpoint (name, gtid_set, file, position, server_uuid, leader, epoch, index_uuids, to_verify, updated_at)
       VALUES (?, '', '', 0, '', ?, LAST_INSERT_ID(1), '{}', '{}', UTC_TIMESTAMP(6)) AS fresh
       ON DUPLICATE KEY UPDATE epoch = LAST_INSERT_ID(consistent_checkpoint.epoch + 1), leader = fresh.leader,
         updated_at = UTC_TIMESTAMP(6)`,
      [name, leader],
    )) as { insertId: number | string };
    return Number(claimed.insertId);
  }

  /**
   * Saves a place that is not behind the saved one. Saving the same again is fine, and shows that one still leads.
   * Throws `LeadershipLostError` when somebody claimed or rewound meanwhile, `CheckpointBehindError` when it would go back.
   */
  async save(name: string, epoch: number, at: BinlogCoordinates, notes: CheckpointNotes): Promise<void> {
    const { gtidSet, file, position, serverUuid } = at;
    const place: unknown[] = [gtidSet, file, position, serverUuid];
    const [indexUuids, toVerify] = [JSON.stringify(notes.indexUuids), JSON.stringify(notes.toVerify)];
    const result = (await this.dataSource.query(
      `UPDATE consistent_checkpoint SET gtid_set = ?, file = ?, position = ?, server_uuid = ?, index_uuids = ?,
         to_verify = ?, updated_at = UTC_TIMESTAMP(6) WHERE name = ? AND epoch = ? AND ${NOT_BEHIND}`,
      place.concat(indexUuids, toVerify, name, epoch, gtidSet, gtidSet, serverUuid, file, file, position),
    )) as { affectedRows: number };
    if (result.affectedRows === 0) await this.refuse(name, epoch, at);
  }

  /**
   * Sets the place, forward or back, and takes the leadership from whoever saves: the running leader's next `save` throws
   * `LeadershipLostError`, and it starts again from here. The notes stay. Returns the new epoch.
   */
  async rewind(name: string, to: BinlogCoordinates): Promise<number> {
    const assignments = PLACE.map((column) => `${column} = fresh.${column}`).join(', ');
    const rewound = (await this.dataSource.query(
      `INSERT INTO consistent_checkpoint (name, gtid_set, file, position, server_uuid, leader, epoch, index_uuids, to_verify, updated_at)
       VALUES (?, ?, ?, ?, ?, '', LAST_INSERT_ID(1), '{}', '{}', UTC_TIMESTAMP(6)) AS fresh
       ON DUPLICATE KEY UPDATE epoch = LAST_INSERT_ID(consistent_checkpoint.epoch + 1), ${assignments}, leader = '',
         updated_at = UTC_TIMESTAMP(6)`,
      [name, to.gtidSet, to.file, to.position, to.serverUuid],
    )) as { insertId: number | string };
    return Number(rewound.insertId);
  }

  /**
   * Forgets the place and the notes, and takes the leadership as `rewind` does: the backstop begins as if it was new. The
   * row stays, for the epoch must go on growing.
   */
  async forget(name: string): Promise<void> {
    await this.dataSource.query(
      `UPDATE consistent_checkpoint SET gtid_set = '', file = '', position = 0, server_uuid = '', leader = '',
         epoch = epoch + 1, index_uuids = '{}', to_verify = '{}', updated_at = UTC_TIMESTAMP(6) WHERE name = ?`,
      [name],
    );
  }

  /** Why nothing was updated. */
  private async refuse(name: string, epoch: number, at: BinlogCoordinates): Promise<void> {
    const row = await this.row(name);
    if (!row || Number(row.epoch) !== epoch) {
      throw new LeadershipLostError(
        `The checkpoint "${name}" was taken over by ${row?.leader ? `"${row.leader}"` : 'somebody'}: this instance leads no ` +
          'longer, and has saved nothing. It waits to lead again, and goes on from there.',
        { name, epoch, theirs: row ? Number(row.epoch) : null, leader: row?.leader ?? null },
      );
    }
    const { gtidSet, file, position, serverUuid } = at;
    // Without CLIENT_FOUND_ROWS a save of the very same values changes no row.
    const [savedFile, savedPosition] = [row.file, Number(row.position)];
    if (row.gtid_set === gtidSet && savedFile === file && savedPosition === position && row.server_uuid === serverUuid)
      return;
    throw new CheckpointBehindError(
      `The checkpoint "${name}" is at ${savedFile}:${row.position} of server ${row.server_uuid}, and ${file}:${position} of ` +
        `server ${serverUuid} is not after it. Was the server's log reset? Start the backstop again; to go back on purpose, rewind().`,
      { name, saved: { gtidSet: row.gtid_set, file: savedFile, position: savedPosition }, refused: { ...at } },
    );
  }

  private async row(name: string): Promise<Raw | null> {
    const rows = (await this.dataSource.query(`SELECT ${COLUMNS} FROM consistent_checkpoint WHERE name = ?`, [
      name,
    ])) as Raw[];
    return rows[0] ?? null;
  }
}

interface Raw {
  gtid_set: string;
  file: string;
  position: string;
  server_uuid: string;
  leader: string;
  epoch: string;
  index_uuids: string;
  to_verify: string;
  updated_at: string;
}

function checkpointOf(raw: Raw): Checkpoint {
  return {
    gtidSet: raw.gtid_set,
    file: raw.file,
    position: Number(raw.position),
    serverUuid: raw.server_uuid,
    leader: raw.leader,
    epoch: Number(raw.epoch),
    indexUuids: JSON.parse(raw.index_uuids) as Record<string, string>,
    toVerify: JSON.parse(raw.to_verify) as Record<string, string>,
    updatedAt: raw.updated_at,
  };
}
