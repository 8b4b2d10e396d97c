import type { DataSource } from 'typeorm';
import { NOW_MICROS } from '../mysql/row.statements.js';
import { queryPrimary } from '../mysql/statement.timeout.js';
import { tableExists } from '../mysql/table.facts.js';
import type { KeptReindex, ReindexPhase, ReindexView } from './reindex.state.js';

const TABLE = 'consistent_reindex';
const TABLE_SQL =
  `CREATE TABLE IF NOT EXISTS ${TABLE} (alias VARCHAR(255) NOT NULL PRIMARY KEY, ` +
  `phase ENUM('idle', 'following', 'swapped') NOT NULL, step VARCHAR(32) NOT NULL, epoch BIGINT UNSIGNED NOT NULL, ` +
  'former_index VARCHAR(255) NULL, next_index VARCHAR(255) NULL, decider VARCHAR(255) NULL, follower VARCHAR(255) NULL, ' +
  'since_version BIGINT UNSIGNED NOT NULL DEFAULT 0, closes_until DATETIME(6) NULL, armed_at DATETIME(6) NULL, ' +
  'missed BIGINT UNSIGNED NOT NULL DEFAULT 0, last_missed TEXT NULL, progress JSON NULL, ' +
  'started_at DATETIME(6) NOT NULL, updated_at DATETIME(6) NOT NULL) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin';
/** Writers wait for it. */
const VIEW_TIMEOUT_MS = 2_000;
const MAX_REASON_CHARACTERS = 1_000;

/** The statement that makes the table `consistent_reindex`, for users who may not create one. */
export function reindexTableSql(): string {
  return TABLE_SQL;
}

/** What a change of the state sets beside the epoch. Undefined: left as it is. */
export interface ReindexChange {
  readonly phase?: ReindexPhase;
  readonly step?: string;
  readonly formerIndex?: string | null;
  readonly nextIndex?: string | null;
  readonly decider?: string | null;
  readonly follower?: string | null;
  readonly progress?: object | null;
  /** Closes the barrier for so long, by MySQL's clock; null opens it. */
  readonly closesForMs?: number | null;
  /** The index is exchanged by this change: only before the barrier opens by itself. */
  readonly exchanges?: boolean;
  /** Notes when nobody wrote to the alias any more. */
  readonly arms?: boolean;
  readonly starts?: boolean;
}

/** The table `consistent_reindex`, one row for each alias: which index decides, which follows, and how far it is. */
export class ReindexStore {
  private isThere = false;

  constructor(readonly dataSource: DataSource) {}

  async ensureTable(): Promise<void> {
    if (!(await this.exists())) await this.query(TABLE_SQL);
  }

  async exists(): Promise<boolean> {
    this.isThere ||= await tableExists(
      (sql, values) => queryPrimary(this.dataSource, sql, values, VIEW_TIMEOUT_MS),
      TABLE,
    );
    return this.isThere;
  }

  /** What writers go by; null where the alias was never reindexed. */
  async view(alias: string): Promise<ReindexView | null> {
    if (!(await this.exists())) return null;
    const sql =
      `SELECT phase, epoch, decider, follower, since_version, closes_until IS NOT NULL AS closing, ` +
      `COALESCE(closes_until < UTC_TIMESTAMP(6), 0) AS overdue, ${NOW_MICROS} AS micros FROM ${TABLE} WHERE alias = ?`;
    const [row] = (await queryPrimary(this.dataSource, sql, [alias], VIEW_TIMEOUT_MS)) as Record<string, unknown>[];
    if (!row) return null;
    return {
      phase: row['phase'] as ReindexPhase,
      epoch: Number(row['epoch']),
      decider: (row['decider'] as string | null) ?? alias,
      follower: (row['follower'] as string | null) ?? null,
      sinceVersion: Number(row['since_version']),
      isClosing: Number(row['closing']) === 1,
      isOverdue: Number(row['overdue']) === 1,
      nowMicros: Number(row['micros']),
    };
  }

  async load(alias: string): Promise<KeptReindex | null> {
    if (!(await this.exists())) return null;
    const sql =
      'SELECT phase, step, epoch, former_index, next_index, decider, follower, missed, last_missed, ' +
      'CAST(progress AS CHAR) AS progress, closes_until IS NOT NULL AS closing, CAST(started_at AS CHAR) AS started, ' +
      'CAST(updated_at AS CHAR) AS updated, TIMESTAMPDIFF(MICROSECOND, armed_at, UTC_TIMESTAMP(6)) / 1000 AS armed_ms ' +
      `FROM ${TABLE} WHERE alias = ?`;
    const [row] = (await this.query(sql, [alias])) as Record<string, string | number | null>[];
    if (!row) return null;
    return {
      alias,
      phase: row['phase'] as ReindexPhase,
      step: String(row['step']),
      epoch: Number(row['epoch']),
      formerIndex: row['former_index'] as string | null,
      nextIndex: row['next_index'] as string | null,
      decider: row['decider'] as string | null,
      follower: row['follower'] as string | null,
      missed: Number(row['missed']),
      lastMissed: row['last_missed'] as string | null,
      progress: row['progress'] ? (JSON.parse(String(row['progress'])) as KeptReindex['progress']) : {},
      isClosing: Number(row['closing']) === 1,
      startedAt: String(row['started']),
      updatedAt: String(row['updated']),
      armedForMs: row['armed_ms'] === null ? null : Number(row['armed_ms']),
    };
  }

  /** Makes the row of an alias, idle, where there is none. */
  async ensureRow(alias: string): Promise<void> {
    await this.query(
      `INSERT IGNORE INTO ${TABLE} (alias, phase, step, epoch, started_at, updated_at) ` +
        `VALUES (?, 'idle', 'idle', 1, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))`,
      [alias],
    );
  }

  /** Moves the state from one epoch to the next. False where somebody else has moved it. */
  async advance(alias: string, epoch: number, change: ReindexChange): Promise<boolean> {
    const [sets, values] = assignments(change);
    const open = change.exchanges ? ' AND closes_until > UTC_TIMESTAMP(6)' : '';
    const sql = `UPDATE ${TABLE} SET ${sets}, epoch = epoch + 1 WHERE alias = ? AND epoch = ?${open}`;
    return this.changed(sql, [...values, alias, epoch]);
  }

  /** Keeps how far the work is, within an epoch. False where the epoch is another by now. */
  async keep(
    alias: string,
    epoch: number,
    change: Pick<ReindexChange, 'step' | 'progress' | 'arms'>,
  ): Promise<boolean> {
    const [sets, values] = assignments(change);
    return this.changed(`UPDATE ${TABLE} SET ${sets} WHERE alias = ? AND epoch = ?`, [...values, alias, epoch]);
  }

  /** Opens a barrier whose time is over: whoever closed it is not there any more, or too late. Anybody may. */
  async reopen(alias: string, epoch: number): Promise<void> {
    const sql = `UPDATE ${TABLE} SET closes_until = NULL, epoch = epoch + 1 WHERE alias = ? AND epoch = ? AND closes_until < UTC_TIMESTAMP(6)`;
    await this.query(sql, [alias, epoch]);
  }

  async missed(alias: string, count: number, reason: string): Promise<void> {
    const sql = `UPDATE ${TABLE} SET missed = missed + ?, last_missed = ? WHERE alias = ?`;
    await this.query(sql, [count, reason.slice(0, MAX_REASON_CHARACTERS), alias]);
  }

  private async changed(sql: string, values: unknown[]): Promise<boolean> {
    return ((await this.query(sql, values)) as { affectedRows: number }).affectedRows === 1;
  }

  private query(sql: string, values?: unknown[]): Promise<unknown> {
    return queryPrimary(this.dataSource, sql, values);
  }
}

function assignments(change: ReindexChange): [sets: string, values: unknown[]] {
  const sets = ['updated_at = UTC_TIMESTAMP(6)'];
  const values: unknown[] = [];
  const columns = {
    phase: change.phase,
    step: change.step,
    former_index: change.formerIndex,
    next_index: change.nextIndex,
    decider: change.decider,
    follower: change.follower,
    progress: change.progress && JSON.stringify(change.progress),
  };
  for (const [column, value] of Object.entries(columns)) {
    if (value === undefined) continue;
    sets.push(`${column} = ?`);
    values.push(value);
  }
  if (change.closesForMs === null) sets.push('closes_until = NULL');
  else if (change.closesForMs !== undefined) {
    sets.push('closes_until = UTC_TIMESTAMP(6) + INTERVAL ? MICROSECOND');
    values.push(Math.round(change.closesForMs * 1_000));
  }
  if (change.exchanges) sets.push(`since_version = ${NOW_MICROS}`);
  if (change.arms) sets.push('armed_at = UTC_TIMESTAMP(6)');
  if (change.starts) sets.push('started_at = UTC_TIMESTAMP(6)', 'armed_at = NULL', 'missed = 0', 'last_missed = NULL');
  return [sets.join(', '), values];
}
