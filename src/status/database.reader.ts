import type { DataSource } from 'typeorm';
import { primaryConnectionOf } from '../binlog/backstop.connection.js';
import { LeaderLock } from '../binlog/leader.lock.js';
import type { EntityBinding } from '../entity/entity.binding.js';
import { quote } from '../mysql/identifier.js';
import type { ParkReason } from '../mysql/parked.store.js';
import { queryPrimary } from '../mysql/statement.timeout.js';
import { tableExists } from '../mysql/table.facts.js';
import type { VerificationState } from '../verify/verification.store.js';
import type { VerifyResult } from '../verify/verify.types.js';
import { answerOf, ReportPart } from './report.part.js';
import type { Answer, CheckpointStatus, ParkedSummary, PrepareStatus, VerificationSummary } from './status.types.js';
import type { ProbeOptions } from './store.probe.js';

/** More are not counted: a page must not read a table that stands still row by row. */
const MAX_PREPARE_ROWS = 10_000;
const MAX_PARKED_LISTED = 20;
const MAX_BACKSTOPS = 16;
const MAX_TO_VERIFY = 200;
/** So old may a section be while MySQL takes its time; its other readers tell whether it answers at all. */
const STALE_MS = 30_000;
const MAX_GTID_LENGTH = 200;
const MS_PER_US = 1_000;
const NOW_US = `TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))`;

export interface NamedCheckpoint {
  readonly name: string;
  readonly led: boolean;
  readonly checkpoint: CheckpointStatus;
}

/** What one database says; by table path. Each section fails by itself. */
export interface DatabaseSections {
  readonly prepares: ReadonlyMap<string, Answer<PrepareStatus>>;
  readonly estimates: Answer<ReadonlyMap<string, number>>;
  readonly parkedCounts: Answer<ReadonlyMap<string, number>>;
  readonly parked: Answer<readonly ParkedSummary[]>;
  readonly verifications: Answer<ReadonlyMap<string, VerificationSummary>>;
  readonly checkpoints: Answer<readonly NamedCheckpoint[]>;
}

type Row = Record<string, string | number | null>;

/** Reads one database, one statement after the other: a page must not take the pool's connections from writers. */
export class DatabaseReader {
  readonly part: ReportPart<DatabaseSections>;
  private away: Error | null = null;

  constructor(
    private readonly name: string,
    private readonly dataSource: DataSource,
    private readonly bindings: () => readonly EntityBinding[],
    private readonly options: ProbeOptions,
  ) {
    this.part = new ReportPart(() => this.sections(), { ...options, staleMs: STALE_MS });
  }

  private async sections(): Promise<DatabaseSections> {
    this.away = null;
    const bindings = this.bindings();
    const prepares = new Map<string, Answer<PrepareStatus>>();
    for (const binding of bindings) {
      prepares.set(binding.metadata.tablePath, await answerOf(() => this.prepare(binding)));
    }
    return {
      prepares,
      estimates: await answerOf(() => this.estimates(bindings)),
      parkedCounts: await answerOf(() => this.parkedCounts()),
      parked: await answerOf(() => this.parked()),
      verifications: await answerOf(() => this.verifications(bindings)),
      checkpoints: await answerOf(() => this.checkpoints()),
    };
  }

  private async query(sql: string, parameters: unknown[] = []): Promise<Row[]> {
    if (this.away) throw this.away;
    try {
      return (await queryPrimary(this.dataSource, sql, parameters, this.options.timeoutMs)) as Row[];
    } catch (error) {
      // Not refused by the server, which has a code for that: it is away, and need not be asked the rest.
      if ((error as { sqlState?: string }).sqlState === undefined) this.away = error as Error;
      throw error;
    }
  }

  /** The version is the time of the prepare; the deadline is not: each sweep that fails moves it. */
  private async prepare({ table, names }: EntityBinding): Promise<PrepareStatus> {
    const [deadline, version] = [quote(names.deadline), quote(names.version)];
    const [row] = await this.query(
      `SELECT COUNT(*) AS n, CAST(COALESCE(SUM(overdue), 0) AS CHAR) AS overdue, ` +
        `CAST(COALESCE(${NOW_US} - CAST(MIN(version) AS SIGNED), 0) AS CHAR) AS age FROM ` +
        `(SELECT ${deadline} < UTC_TIMESTAMP(6) AS overdue, ${version} AS version FROM ${table} ` +
        `WHERE ${deadline} IS NOT NULL ORDER BY ${deadline} LIMIT ${MAX_PREPARE_ROWS + 1}) AS undecided`,
    );
    const counted = Number(row!['n']);
    return {
      rows: Math.min(counted, MAX_PREPARE_ROWS),
      more: counted > MAX_PREPARE_ROWS,
      overdue: Math.min(Number(row!['overdue']), MAX_PREPARE_ROWS),
      oldestMs: Math.max(0, Number(row!['age']) / MS_PER_US),
    };
  }

  private async estimates(bindings: readonly EntityBinding[]): Promise<Map<string, number>> {
    // As MySQL spells them: it may fold the case of names, and answers in its own spelling.
    const tables = bindings.map(({ metadata, shape }) => ({
      path: metadata.tablePath,
      schema: shape.database,
      name: shape.table,
    }));
    if (tables.length === 0) return new Map();
    const rows = await this.query(
      'SELECT TABLE_SCHEMA AS s, TABLE_NAME AS t, CAST(TABLE_ROWS AS CHAR) AS n FROM information_schema.TABLES ' +
        `WHERE (TABLE_SCHEMA, TABLE_NAME) IN (${tables.map(() => '(?, ?)').join(', ')})`,
      tables.flatMap(({ schema, name }) => [schema, name]),
    );
    const found = new Map(rows.map(({ s, t, n }) => [`${s}.${t}`, Number(n)]));
    return new Map(tables.map(({ path, schema, name }) => [path, found.get(`${schema}.${name}`) ?? 0]));
  }

  private async parkedCounts(): Promise<Map<string, number>> {
    const rows = await this.query('SELECT table_name AS t, COUNT(*) AS n FROM consistent_parked GROUP BY table_name');
    return new Map(rows.map(({ t, n }) => [String(t), Number(n)]));
  }

  private async parked(): Promise<ParkedSummary[]> {
    const rows = await this.query(
      'SELECT CAST(id AS CHAR) AS id, entity, CAST(row_key AS CHAR) AS row_key, reason, attempts, ' +
        'CAST(TIMESTAMPDIFF(MICROSECOND, parked_at, UTC_TIMESTAMP(6)) AS CHAR) AS age ' +
        `FROM consistent_parked ORDER BY id LIMIT ${MAX_PARKED_LISTED}`,
    );
    return rows.map((row) => ({
      id: String(row['id']),
      entity: String(row['entity']),
      dataSource: this.name,
      reason: row['reason'] as ParkReason,
      attempts: Number(row['attempts']),
      agoMs: Number(row['age']) / MS_PER_US,
      key: JSON.parse(String(row['row_key'])) as Record<string, string>,
    }));
  }

  private async verifications(bindings: readonly EntityBinding[]): Promise<Map<string, VerificationSummary>> {
    // Made at the first verification: until then there was none.
    if (bindings.length === 0 || !(await this.exists('consistent_verification'))) return new Map();
    const rows = await this.query(
      // The examples stay where they are: they hold ids.
      `SELECT table_name AS t, state, CAST(JSON_REMOVE(result, '$.examples', '$.reasons') AS CHAR) AS result, ` +
        'CAST(TIMESTAMPDIFF(MICROSECOND, updated_at, UTC_TIMESTAMP(6)) AS CHAR) AS age ' +
        `FROM consistent_verification WHERE result IS NOT NULL AND table_name IN (${bindings.map(() => '?').join(', ')})`,
      bindings.map(({ metadata }) => metadata.tablePath),
    );
    return new Map(rows.map((row) => [String(row['t']), verificationOf(row)]));
  }

  private async checkpoints(): Promise<NamedCheckpoint[]> {
    if (!(await this.exists('consistent_checkpoint'))) return [];
    const rows = await this.query(
      `SELECT name, LEFT(gtid_set, ${MAX_GTID_LENGTH + 1}) AS gtid_set, file, CAST(position AS CHAR) AS position, leader, ` +
        'CAST(epoch AS CHAR) AS epoch, CAST(JSON_KEYS(to_verify) AS CHAR) AS to_verify, ' +
        'CAST(TIMESTAMPDIFF(MICROSECOND, updated_at, UTC_TIMESTAMP(6)) AS CHAR) AS age ' +
        `FROM consistent_checkpoint ORDER BY name LIMIT ${MAX_BACKSTOPS}`,
    );
    const checkpoints: NamedCheckpoint[] = [];
    const connection = primaryConnectionOf(this.dataSource);
    for (const row of rows) {
      const name = String(row['name']);
      const { lockName } = new LeaderLock({ connection, name });
      const [lock] = await this.query('SELECT IS_USED_LOCK(?) IS NOT NULL AS held', [lockName]);
      checkpoints.push({ name, led: Number(lock!['held']) === 1, checkpoint: checkpointOf(row) });
    }
    return checkpoints;
  }

  private exists(table: string): Promise<boolean> {
    return tableExists((sql, values) => this.query(sql, values), table);
  }
}

function verificationOf(row: Row): VerificationSummary {
  const result = JSON.parse(String(row['result'])) as VerifyResult;
  const { entity: _, examples: _examples, reasons: _reasons, ...counts } = result;
  return {
    ...counts,
    state: row['state'] as VerificationState,
    agoMs: Number(row['age']) / MS_PER_US,
  };
}

function checkpointOf(row: Row): CheckpointStatus {
  const gtidSet = String(row['gtid_set']);
  const shortened = gtidSet.length > MAX_GTID_LENGTH ? `${gtidSet.slice(0, MAX_GTID_LENGTH - 1)}…` : gtidSet;
  return {
    leader: String(row['leader']),
    epoch: Number(row['epoch']),
    file: String(row['file']),
    position: Number(row['position']),
    gtidSet: shortened,
    savedAgoMs: Number(row['age']) / MS_PER_US,
    toVerify: (JSON.parse(String(row['to_verify'] ?? '[]')) as string[]).slice(0, MAX_TO_VERIFY),
  };
}
