import type { QueryRunner } from 'typeorm';
import type { EntityContext } from '../entity/entity.context.js';
import { OutcomeUnknownError } from '../errors.js';
import type { ClockReading, GroupStatements, PlannedUpdate, Statement } from '../mysql/group.statements.js';
import { versionOf } from '../mysql/row.values.js';
import { primaryRunner } from '../mysql/statement.timeout.js';
import type { PendingWrite } from '../protocol/row.js';
import { LonePrepare } from './prepare.alone.js';
import { type PrepareAnswer, SINGLY } from './prepare.answer.js';
import type { Attempt } from './prepare.dividing.js';
import {
  type Change,
  type Insert,
  pendingInsert,
  planChange,
  preparedFrom,
  query,
  type RawRow,
  type ReadRow,
  readRow,
} from './prepare.plan.js';
import { CONNECTION_BROKE, commitPrepare } from './prepare.transaction.js';
import type { PreparedWrite } from './prepared.write.js';
import { outcomeUnknown } from './write.errors.js';

const MICROS_PER_MS = 1_000;
/** From so many rows on one look at MySQL's clock is cheaper than a look for each row. */
const MIN_CLOCKED = 100;

/**
 * Prepares a batch in one transaction: inserts by one statement, updates and removes by one for each set of columns, with one COMMIT
 * and so one sync of MySQL's logs. A batch of one goes alone where it may.
 */
export class SharedPrepare {
  private readonly alone: LonePrepare;

  constructor(
    private readonly context: EntityContext,
    private readonly statements: GroupStatements,
    /** In one statement that changes rows. */
    private readonly maxRows: number,
  ) {
    this.alone = new LonePrepare(context, statements);
  }

  /** All with a key, or all to be given one by MySQL. */
  insert(items: readonly Insert[]): Promise<Attempt> {
    const { binding, options } = this.context;
    const columns = binding.columns.filter(({ name }) => items.some(({ values }) => values.has(name)));
    const rows = items.map(({ values }) => values);
    if (this.goesAlone(items)) return byItself(this.alone.insert(columns, items[0]));
    const pending = pendingInsert(this.context);
    return this.inTransaction(items.length, async (runner) => {
      const deadlineMicros = options.deadlineMs * MICROS_PER_MS;
      const clock = items.length < MIN_CLOCKED ? undefined : await this.readClock(runner, deadlineMicros);
      await query(runner, this.statements.insert(columns, rows, deadlineMicros, undefined, clock));
      if (items[0]!.key) {
        const images = this.byKey(await query(runner, this.statements.images(items.map(({ key }) => key!))));
        return this.preparedAll(
          items.map(({ key }) => images.get(key!.id)),
          pending,
        );
      }
      const images = await query(runner, this.statements.insertedImages(items.length));
      return this.preparedAll(
        items.map((_, at) => images[at] && readRow(this.context, images[at])),
        pending,
      );
    });
  }

  /** Rows that are not there, or busy, are answered `SINGLY`. */
  change(items: readonly Change[]): Promise<Attempt> {
    if (this.goesAlone(items)) return byItself(this.alone.change(items[0]));
    return this.inTransaction(items.length, async (runner) => {
      const answers = items.map((): PreparedWrite | typeof SINGLY => SINGLY);
      const locked = this.byKey(await query(runner, this.statements.lock(items.map(({ key }) => key))));
      const plans: (PlannedUpdate & { at: number })[] = [];
      items.forEach((item, at) => {
        const row = locked.get(item.key.id);
        const plan = row?.raw['state'] === 'commit' ? planChange(this.context, item, row) : null;
        if (plan) plans.push({ at, ...plan });
      });
      if (plans.length === 0) return answers;
      for (const update of this.updates(plans)) await query(runner, update);
      const images = this.byKey(await query(runner, this.statements.images(plans.map(({ key }) => key))));
      await Promise.all(
        plans.map(async ({ at, key, pending }) => {
          answers[at] = await this.prepared(images.get(key.id), pending);
        }),
      );
      return answers;
    });
  }

  private async readClock(runner: QueryRunner, deadlineMicros: number): Promise<ClockReading> {
    const [row] = await query(runner, this.statements.clock(deadlineMicros));
    return { version: versionOf(row!['version']), deadline: String(row!['deadline'] as string) };
  }

  /** One statement for all rows of one shape. */
  private updates(plans: readonly PlannedUpdate[]): Statement[] {
    const shapes = new Map<string, PlannedUpdate[]>();
    for (const plan of plans) {
      const shape = this.statements.shapeOf(plan);
      const alike = shapes.get(shape);
      if (alike) alike.push(plan);
      else shapes.set(shape, [plan]);
    }
    const deadlineMicros = this.context.options.deadlineMs * MICROS_PER_MS;
    return [...shapes.values()]
      .flatMap((alike) => slices(alike, this.maxRows))
      .map((alike) => this.statements.update(alike, deadlineMicros));
  }

  /**
   * Runs a batch. Where MySQL refuses any of it, nothing of it happened and every member is to be tried by itself; where
   * the COMMIT's outcome is unknown, it is unknown for each.
   */
  private async inTransaction(
    size: number,
    body: (runner: QueryRunner) => Promise<(PreparedWrite | typeof SINGLY)[]>,
  ): Promise<Attempt> {
    const runner = primaryRunner(this.context.binding.dataSource);
    let answers: (PreparedWrite | typeof SINGLY)[] = [];
    try {
      await runner.startTransaction();
      answers = await body(runner);
      const prepared = answers.filter((answer): answer is PreparedWrite => answer !== SINGLY);
      if (prepared.length > 0) await commitPrepare(runner, prepared);
      else await runner.rollbackTransaction();
      return { answers };
    } catch (error) {
      if (runner.isTransactionActive) await runner.rollbackTransaction().catch(() => undefined);
      if (!(error instanceof OutcomeUnknownError)) {
        return { answers: Array.from({ length: size }, () => SINGLY), error };
      }
      const { cause } = error;
      const unknown = (answer: PreparedWrite) => outcomeUnknown(answer, CONNECTION_BROKE, cause);
      return { answers: answers.map((answer) => (answer === SINGLY ? SINGLY : unknown(answer))) };
    } finally {
      await runner.release();
    }
  }

  /** Throws where the row cannot become a document: then the batch comes to nothing and its members go singly. */
  private prepared(row: ReadRow | undefined, pending: PendingWrite): PreparedWrite | Promise<PreparedWrite> {
    if (!row) throw new Error('a prepared row could not be read back');
    return preparedFrom(this.context, row, pending);
  }

  /** Waits only where an entity has listeners. */
  private async preparedAll(rows: readonly (ReadRow | undefined)[], pending: PendingWrite): Promise<PreparedWrite[]> {
    const made: PreparedWrite[] = [];
    for (const row of rows) {
      const prepared = this.prepared(row, pending);
      made.push(prepared instanceof Promise ? await prepared : prepared);
    }
    return made;
  }

  private byKey(rows: readonly RawRow[]): Map<string, ReadRow> {
    const found = new Map<string, ReadRow>();
    for (const raw of rows) {
      const row = readRow(this.context, raw);
      found.set(row.key.id, row);
    }
    return found;
  }

  /** Under decider 'mysql' a prepared write is decided: what cannot become a document could no longer be taken back. */
  private goesAlone<Item>(items: readonly Item[]): items is readonly [Item] {
    return items.length === 1 && this.context.binding.decider === 'elasticsearch';
  }
}

/** Its error is its answer: rows of the same caller may be prepared already, and must not be prepared twice. */
function byItself(answer: Promise<PrepareAnswer>): Promise<Attempt> {
  return answer.then(
    (one) => ({ answers: [one] }),
    (error: unknown) => ({ answers: [error as Error] }),
  );
}

/** A row's value is found by trying the keys one by one: a long statement costs the square of its rows. */
function slices<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, at) => items.slice(at * size, (at + 1) * size));
}
