import { randomBytes } from 'node:crypto';
import type { QueryRunner } from 'typeorm';
import type { BoundColumn } from '../entity/entity.binding.js';
import type { EntityContext } from '../entity/entity.context.js';
import { keyOfImage, type RowKey } from '../entity/row.key.js';
import { abandonedEnded } from '../mysql/abandoned.connections.js';
import type { GroupStatements, PlannedUpdate, Statement } from '../mysql/group.statements.js';
import { isNeverSent, isServerAnswer } from '../mysql/mysql.errors.js';
import { textOf, versionOf } from '../mysql/row.values.js';
import type { SqlRunner, VersionedKey } from '../mysql/row.store.js';
import { primaryRunner } from '../mysql/statement.timeout.js';
import { factsOf, logTextOf } from '../observe/log.text.js';
import type { PendingWrite } from '../protocol/row.js';
import { type PrepareAnswer, SINGLY } from './prepare.answer.js';
import {
  type Change,
  type Insert,
  pendingInsert,
  planChange,
  preparedFrom,
  query,
  type RawRow,
  readRow,
} from './prepare.plan.js';
import { CONNECTION_BROKE } from './prepare.transaction.js';
import { lonePrepareAborted, lonePrepareUnknown } from './write.errors.js';

/** What one autocommitted statement was to prepare. */
interface Sent {
  readonly pending: PendingWrite;
  readonly token: string;
  /** Undefined where MySQL gives the id and its answer was lost. */
  readonly key: RowKey | undefined;
  /** Why MySQL's answer is missing, where it is. */
  readonly lost?: unknown;
}

interface Header {
  readonly affectedRows: number;
  readonly insertId: number | string;
}

const MICROS_PER_MS = 1_000;

/**
 * The prepare of a writer who shares with nobody: one autocommitted statement, then the image. Two round trips less than
 * a transaction.
 *
 * ```
 *   INSERT or UPDATE … state = prepare, token ──┬─ refused, or no row as it was read ─► nothing written: SINGLY
 *                                               ├─ no answer ─► look for the token ──── not there ─► OutcomeUnknown
 *                                               ▼                      │ there
 *                                        read the image ◄──────────────┘
 *                                               ├─ not there any more ─► settled after its deadline: WriteAborted
 *                                               ├─ not readable, or no document can be made of it ─► restore, the error
 *                                               ▼
 *                                            prepared
 * ```
 *
 * What a transaction would roll back is restored here: no request was sent, so nothing can land, and until then readers
 * are served the previous image. That needs `decider: 'elasticsearch'`.
 */
export class LonePrepare {
  private readonly prefix = randomBytes(9).toString('base64url');
  private serial = 0;

  constructor(
    private readonly context: EntityContext,
    private readonly statements: GroupStatements,
  ) {}

  /** What it throws was the row's own fault, and the row is as it was. */
  insert(columns: readonly BoundColumn[], { values, key: given }: Insert): Promise<PrepareAnswer> {
    const token = this.newToken();
    const pending = pendingInsert(this.context);
    return this.withRunner(async (runner) => {
      const statement = this.statements.insert(columns, [values], this.deadlineMicros, token);
      const header = await this.send(runner, statement);
      if (header === SINGLY) return SINGLY;
      if (header instanceof Error) return this.finish(runner, { pending, token, key: given, lost: header });
      return this.finish(runner, { pending, token, key: given ?? this.keyOfId(header.insertId) });
    });
  }

  change(change: Change): Promise<PrepareAnswer> {
    const { key } = change;
    return this.withRunner(async (runner) => {
      const planned = await this.readAndPlan(runner, change).catch(() => null);
      if (!planned) return SINGLY;
      const { plan, version } = planned;
      const sent = { pending: plan.pending, token: this.newToken(), key };
      const mark = { token: sent.token, version };
      const header = await this.send(runner, this.statements.update([plan], this.deadlineMicros, mark));
      if (header === SINGLY) return SINGLY;
      if (header instanceof Error) return this.finish(runner, { ...sent, lost: header });
      return header.affectedRows === 1 ? this.finish(runner, sent) : SINGLY;
    });
  }

  /** Null where only the single path can tell what is to be done. */
  private async readAndPlan(
    runner: SqlRunner,
    change: Change,
  ): Promise<{ plan: PlannedUpdate; version: number } | null> {
    // SKIP LOCKED: a row that a foreign transaction holds must not keep others waiting behind this one.
    const [raw] = await query(runner, this.statements.lock([change.key]));
    if (!raw || raw['state'] !== 'commit') return null;
    const row = readRow(this.context, raw);
    const plan = row.key.id === change.key.id ? planChange(this.context, change, row) : null;
    return plan && { plan, version: versionOf(raw['version']) };
  }

  private async withRunner(body: (runner: QueryRunner) => Promise<PrepareAnswer>): Promise<PrepareAnswer> {
    const runner = primaryRunner(this.context.binding.dataSource);
    try {
      return await body(runner);
    } finally {
      await runner.release();
    }
  }

  /** MySQL's answer, the error that stands for it where it is missing, or SINGLY where nothing was written. */
  private async send(runner: QueryRunner, { sql, values }: Statement): Promise<Header | Error | typeof SINGLY> {
    try {
      return (await runner.query(sql, [...values])) as Header;
    } catch (error) {
      return isServerAnswer(error) || isNeverSent(error) ? SINGLY : (error as Error);
    }
  }

  /** The statement was carried out, or may have been. */
  private async finish(runner: SqlRunner, sent: Sent): Promise<PrepareAnswer> {
    const { context } = this;
    let { lost } = sent;
    let row: RawRow | undefined;
    let at = runner;
    try {
      if (lost === undefined) {
        row = await this.findOwn(at, sent).catch((error: unknown) => {
          if (isServerAnswer(error)) throw error;
          lost = error;
          return undefined;
        });
      }
      if (lost !== undefined) {
        // A statement that still runs on the broken connection could be carried out after the look.
        await abandonedEnded(context.binding.dataSource);
        at = context.store.primary();
        row = await this.findOwn(at, sent);
      }
    } catch (error) {
      if (isServerAnswer(error) && (await this.undoUnread(at, sent))) throw error;
      return lonePrepareUnknown(context, sent, CONNECTION_BROKE, lost ?? error);
    }
    if (!row) {
      if (sent.lost === undefined) return lonePrepareAborted(context, sent);
      return lonePrepareUnknown(context, sent, CONNECTION_BROKE, sent.lost);
    }
    const read = readRow(context, row);
    try {
      return await preparedFrom(context, read, sent.pending);
    } catch (error) {
      await this.undo(at, { key: read.key, version: versionOf(row['version']) }, sent);
      throw error;
    }
  }

  /** A key is not always found as it was given (trailing spaces, rounded fractions): the token is. */
  private async findOwn(runner: SqlRunner, { key, token }: Sent): Promise<RawRow | undefined> {
    const [row] = key ? await query(runner, this.statements.own(token, key)) : [];
    return row ?? (await query(runner, this.statements.own(token)))[0];
  }

  /** The image cannot be read (a value over `max_allowed_packet`). */
  private async undoUnread(at: SqlRunner, sent: Sent): Promise<boolean> {
    const { binding } = this.context;
    const [row] = await query(at, this.statements.ownVersion(sent.token)).catch(() => []);
    if (!row) return false;
    const image = Object.fromEntries(binding.key.map(({ name }, at) => [name, textOf(row[`k${at}`])]));
    return this.undo(at, { key: keyOfImage(binding, image), version: versionOf(row['version']) }, sent);
  }

  /** Certainly not applied, and nobody else has anything to put at this version: no race. What fails is settled later. */
  private async undo(at: SqlRunner, row: VersionedKey, { pending }: Sent): Promise<boolean> {
    const { store, logger, binding } = this.context;
    try {
      return await store.restore({ ...row, operation: pending.operation }, at);
    } catch (error) {
      logger.warn(
        `${binding.name}: a write without a document could not be undone yet: ${logTextOf(error)}`,
        factsOf(this.context),
      );
      return false;
    }
  }

  private keyOfId(insertId: number | string): RowKey | undefined {
    const { binding } = this.context;
    return Number(insertId) > 0 ? keyOfImage(binding, { [binding.key[0]!.name]: String(insertId) }) : undefined;
  }

  private newToken(): string {
    return `${this.prefix}${(++this.serial).toString(36)}`;
  }

  private get deadlineMicros(): number {
    return this.context.options.deadlineMs * MICROS_PER_MS;
  }
}
