import type { DataSource } from 'typeorm';
import type { ConsistentRegistry } from '../consistent.registry.js';
import type { EntityBinding } from '../entity/entity.binding.js';
import { quote } from '../mysql/identifier.js';
import { queryPrimary } from '../mysql/statement.timeout.js';
import { type Ask, tableExists } from '../mysql/table.facts.js';
import type { VerifyResult } from '../verify/verify.types.js';
import { PREPARE_AGES_SECONDS } from './metrics.catalogue.js';
import type { MetricsSet } from './metrics.set.js';

/** More are not counted: a scrape must not read a table that stands still row by row. */
const MAX_ROWS = 10_000;
const TIMEOUT_MS = 5_000;
const US_PER_SECOND = 1_000_000;
const NOW_US = `TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))`;
const KINDS = ['missing', 'stale', 'foreign', 'orphaned', 'unchecked', 'repaired', 'failed'] as const;

type Row = Record<string, string | number | null>;

/** What MySQL must be asked. One statement after the other: a scrape must not take the pool's connections from writers. */
export class DatabaseFigures {
  constructor(
    private readonly registry: ConsistentRegistry,
    private readonly metrics: MetricsSet,
  ) {}

  /** The version is the time of the prepare; the deadline is not: each sweep that fails moves it. */
  async prepareRows(): Promise<void> {
    const figures: { binding: EntityBinding; row: Row }[] = [];
    for (const { binding } of this.registry.all()) {
      const { table, names, dataSource } = binding;
      const [deadline, version] = [quote(names.deadline), quote(names.version)];
      const sums = PREPARE_AGES_SECONDS.map(
        (seconds, at) => `CAST(COALESCE(SUM(age >= ${seconds * US_PER_SECOND}), 0) AS CHAR) AS a${at}`,
      );
      const rows = await query(
        dataSource,
        `SELECT ${sums.join(', ')}, CAST(COALESCE(MAX(age), 0) AS CHAR) AS oldest FROM ` +
          `(SELECT GREATEST(0, ${NOW_US} - CAST(${version} AS SIGNED)) AS age FROM ${table} ` +
          `WHERE ${deadline} IS NOT NULL ORDER BY ${deadline} LIMIT ${MAX_ROWS}) AS undecided`,
      );
      figures.push({ binding, row: rows[0]! });
    }
    for (const { binding, row } of figures) {
      PREPARE_AGES_SECONDS.forEach((seconds, at) => {
        const labels = { ...labelsOf(binding), older_than_seconds: String(seconds) };
        this.metrics.gauge('prepareRows').set(labels, Number(row[`a${at}`]));
      });
      this.metrics.gauge('prepareOldest').set(labelsOf(binding), Number(row['oldest']) / US_PER_SECOND);
    }
  }

  async parkedRows(): Promise<void> {
    const found: { labels: Record<string, string>; rows: number }[] = [];
    for (const [dataSource, bindings] of this.byDataSource()) {
      const rows = await query(
        dataSource,
        'SELECT table_name AS t, reason, COUNT(*) AS n FROM ' +
          `(SELECT table_name, reason FROM consistent_parked ORDER BY id LIMIT ${MAX_ROWS}) AS waiting GROUP BY table_name, reason`,
      );
      for (const { t, reason, n } of rows) {
        const binding = bindings.find(({ metadata }) => metadata.tablePath === t);
        if (binding) found.push({ labels: { ...labelsOf(binding), reason: String(reason) }, rows: Number(n) });
      }
      // A table without parked rows must say so: an alert on a figure that is missing would stay silent.
      for (const binding of bindings) {
        for (const reason of PARK_REASONS) {
          const labels = { ...labelsOf(binding), reason };
          if (!found.some((each) => sameLabels(each.labels, labels))) found.push({ labels, rows: 0 });
        }
      }
    }
    this.metrics.gauge('parkedRows').reset();
    for (const { labels, rows } of found) this.metrics.gauge('parkedRows').set(labels, rows);
  }

  async verifications(): Promise<void> {
    const found: { binding: EntityBinding; row: Row; result: VerifyResult }[] = [];
    for (const [dataSource, bindings] of this.byDataSource()) {
      // Made at the first verification: until then there was none.
      const ask: Ask = (sql, values) => query(dataSource, sql, values);
      if (!(await tableExists(ask, 'consistent_verification'))) continue;
      const rows = await query(
        dataSource,
        `SELECT table_name AS t, state, CAST(JSON_REMOVE(result, '$.examples', '$.reasons') AS CHAR) AS result, ` +
          `CAST(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', updated_at) AS CHAR) AS at FROM consistent_verification ` +
          `WHERE result IS NOT NULL AND table_name IN (${bindings.map(() => '?').join(', ')})`,
        bindings.map(({ metadata }) => metadata.tablePath),
      );
      for (const row of rows) {
        const binding = bindings.find(({ metadata }) => metadata.tablePath === row['t'])!;
        found.push({ binding, row, result: JSON.parse(String(row['result'])) as VerifyResult });
      }
    }
    this.clearVerifications();
    for (const { binding, row, result } of found) this.showVerification(labelsOf(binding), row, result);
  }

  clearPrepares(): void {
    for (const key of ['prepareRows', 'prepareOldest'] as const) this.metrics.gauge(key).reset();
  }

  clearParked(): void {
    this.metrics.gauge('parkedRows').reset();
  }

  clearVerifications(): void {
    const keys = ['verificationDifferences', 'verificationRows', 'verificationTime', 'verificationDuration'] as const;
    for (const key of keys) this.metrics.gauge(key).reset();
  }

  private showVerification(labels: Record<string, string>, row: Row, result: VerifyResult): void {
    for (const kind of KINDS) {
      this.metrics.gauge('verificationDifferences').set({ ...labels, kind }, Number(result[kind] ?? 0));
    }
    this.metrics.gauge('verificationRows').set(labels, result.rows);
    this.metrics.gauge('verificationDuration').set(labels, result.seconds);
    // While a later one runs, the time is that of its progress.
    if (row['state'] === 'complete') {
      this.metrics.gauge('verificationTime').set(labels, Number(row['at']) / US_PER_SECOND);
    }
  }

  private byDataSource(): Map<DataSource, EntityBinding[]> {
    const all = new Map<DataSource, EntityBinding[]>();
    for (const { binding } of this.registry.all()) {
      const known = all.get(binding.dataSource);
      if (known) known.push(binding);
      else all.set(binding.dataSource, [binding]);
    }
    return all;
  }
}

const PARK_REASONS = ['restore-refused', 'commit-refused', 'previous-image-refused', 'document-refused'] as const;

async function query(dataSource: DataSource, sql: string, parameters: unknown[] = []): Promise<Row[]> {
  return (await queryPrimary(dataSource, sql, parameters, TIMEOUT_MS)) as Row[];
}

function labelsOf({ name, dataSourceName }: EntityBinding): Record<string, string> {
  return { entity: name, datasource: dataSourceName };
}

function sameLabels(one: Record<string, string>, other: Record<string, string>): boolean {
  return Object.entries(one).every(([name, value]) => other[name] === value);
}
