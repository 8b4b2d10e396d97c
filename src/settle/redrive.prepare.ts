import { documentIdOf, documentTextOf } from '../entity/document.builder.js';
import type { EntityContext } from '../entity/entity.context.js';
import { GroupStatements } from '../mysql/group.statements.js';
import { versionOf } from '../mysql/row.values.js';
import { primaryRunner } from '../mysql/statement.timeout.js';
import type { PendingWrite } from '../protocol/row.js';
import { query, type RawRow, type ReadRow, readRow } from '../write/prepare.plan.js';
import { commitPrepare, PREPARE_ISOLATION } from '../write/prepare.transaction.js';
import type { PreparedWrite } from '../write/prepared.write.js';
import { alike, type Planned, type RedriveCase, type RedriveResult } from './redrive.case.js';
import { busy } from './redrive.errors.js';
import { RedriveStatements } from './redrive.statements.js';

export interface PreparedRedrive {
  readonly item: RedriveCase;
  readonly write: PreparedWrite;
}

/** The prepare of rows that are driven again: their columns stay, their version grows. */
export class RedrivePrepare {
  /** `finish` is told of rows that end here: nothing to write, or no document can be made. */
  constructor(
    private readonly context: EntityContext,
    private readonly finish: (item: RedriveCase, result: RedriveResult) => void,
  ) {}

  /** One transaction: lock, make the documents, prepare. Rows that somebody else holds stay open for the next round. */
  async run(items: readonly RedriveCase[]): Promise<PreparedRedrive[]> {
    const { context } = this;
    const { binding, store, options } = context;
    const statements = new RedriveStatements(binding, store.statements);
    const group = new GroupStatements(binding, store.statements);
    const runner = primaryRunner(binding.dataSource);
    try {
      await runner.startTransaction(PREPARE_ISOLATION);
      const locked = this.byDocument(await query(runner, group.lock(items.map(({ key }) => key))));
      const now = versionOf((await query(runner, statements.now()))[0]!['now']);
      const planned: Planned[] = [];
      for (const item of items) {
        const row = locked.get(item.documentId!);
        if (row?.raw['state'] === 'commit') planned.push(...(await this.plan(item, row)));
        else item.lastError = busy(context, item, 'in time');
      }
      for (const { rows, floor } of alike(planned, now)) {
        const keys = rows.map(({ write }) => write.key);
        await query(runner, statements.prepare(keys, rows[0]!.write.pending, floor, options.deadlineMs));
      }
      const keys = planned.map(({ write }) => write.key);
      const written = this.byDocument(keys.length > 0 ? await query(runner, group.images(keys)) : []);
      const prepared = planned.map(({ item, write }) => {
        const row = written.get(item.documentId!);
        if (!row) throw new Error(`a prepared row of ${binding.name} could not be read back`);
        const { version, deadline } = row.raw;
        return { item, write: { ...write, version: versionOf(version), deadline: deadline as string | null } };
      });
      await commitPrepare(
        runner,
        prepared.map(({ write }) => write),
      );
      return prepared;
    } catch (error) {
      if (runner.isTransactionActive) await runner.rollbackTransaction().catch(() => undefined);
      throw error;
    } finally {
      await runner.release();
    }
  }

  /** Empty where there is nothing to write, or the row cannot become a document. */
  private async plan(item: RedriveCase, { image, key }: ReadRow): Promise<Planned[]> {
    const { context } = this;
    const { binding } = context;
    try {
      const entity = await binding.hydrate(image);
      const next = binding.presence(image, entity);
      if (next === 'absent' && !item.slot.found) {
        this.finish(item, 'unchanged');
        return [];
      }
      const pending: PendingWrite = { operation: 'update', next, before: next, decider: binding.decider };
      const body = next === 'present' ? documentTextOf(binding, image, entity) : null;
      const write = { context, key, documentId: item.documentId!, pending, body, image, entity, complete: false };
      return [{ item, write }];
    } catch (error) {
      this.finish(item, error as Error);
      return [];
    }
  }

  /** By document id: the one name that does not depend on how a key was spelled. */
  private byDocument(rows: readonly RawRow[]): Map<string, ReadRow> {
    const { context } = this;
    return new Map(
      rows.map((raw) => {
        const row = readRow(context, raw);
        return [documentIdOf(context.binding, row.image), row];
      }),
    );
  }
}
