import type { Socket } from 'node:net';
import type { ExecutionContext, INestApplicationContext } from '@nestjs/common';
import type { Client } from '@elastic/elasticsearch';
import { defer, lastValueFrom } from 'rxjs';
import { DataSource, In } from 'typeorm';
import { CONSISTENT_CLIENT, ConsistentService, ReadRepairInterceptor, type UnitRepository } from '../../src/index.js';
import { outcomeOf, unitOutcomes } from './error.outcome.js';
import type { Answer, HistoryWriter, Invocation } from './history.js';
import {
  Item,
  ITEM_INDEX,
  type ItemRepository,
  ITEM_REPOSITORIES,
  noteOf,
  type Profile,
  stateOf,
} from './item.entity.js';
import type { ItemState } from './item.model.js';
import type { PlannedOperation, PlannedWrite, ReadVia } from './operation.plan.js';

type Given = Partial<Item>;

const READ_TIMEOUT_MS = 1_000;
/** Of a read that is the application's own: neither TypeORM nor mysql2 gives up on a silent connection. */
const ROWS_TIMEOUT_MS = 10_000;

/** Carries planned operations out through the library as an application would, and writes down what it was told. */
export class OperationRunner {
  private readonly repository: (typeof ITEM_REPOSITORIES)[Profile];
  private readonly items: ItemRepository;
  private readonly service: ConsistentService;
  private readonly interceptor: ReadRepairInterceptor;
  private readonly dataSource: DataSource;
  private readonly client: Client;

  constructor(
    application: INestApplicationContext,
    private readonly history: HistoryWriter,
    profile: Profile,
  ) {
    this.repository = ITEM_REPOSITORIES[profile];
    this.items = application.get<ItemRepository>(this.repository);
    this.service = application.get(ConsistentService);
    this.interceptor = application.get(ReadRepairInterceptor);
    this.dataSource = application.get(DataSource);
    this.client = application.get<Client>(CONSISTENT_CLIENT);
  }

  async run(operation: PlannedOperation): Promise<readonly Answer[]> {
    switch (operation.shape) {
      case 'read':
        return this.read(operation.via, operation.keys);
      case 'many':
        return this.many(operation.writes);
      case 'unit':
        return this.unitOfWork(operation.writes);
      case 'single':
        return this.single(operation.writes[0]!);
    }
  }

  private async recorded(
    calls: readonly Omit<Invocation, 'n' | 't'>[],
    run: () => Promise<readonly Answer[]>,
  ): Promise<readonly Answer[]> {
    const numbers = this.history.invoke(calls);
    const answers = await run();
    this.history.answer(numbers, answers);
    return answers;
  }

  // --- writes ---------------------------------------------------------------------------------------------------------

  private async single(write: PlannedWrite): Promise<readonly Answer[]> {
    if (write.kind === 'cas') return this.compareAndSet(write);
    return this.recorded([callOf(write, write.kind)], async () => {
      try {
        return [done(await this.write(this.items, write))];
      } catch (error) {
        return [outcomeOf(error)];
      }
    });
  }

  /** Reads, then writes on condition that nobody wrote since. */
  private async compareAndSet(write: PlannedWrite): Promise<readonly Answer[]> {
    let read: Item | null = null;
    const answers = await this.recorded([{ key: write.key, kind: 'row', via: 'findOne' }], () =>
      blindly(async () => {
        read = await this.items.findOne({ where: { id: write.key }, withDeleted: true });
        return [{ result: 'seen', seen: stateOf(read), version: read?.consistency.version }] as Answer[];
      }, 1),
    );
    const found = read as Item | null;
    if (!found) return answers;
    const call = { ...callOf(write, 'cas'), expected: stateOf(found) };
    return this.recorded([call], async () => {
      try {
        const expectedVersion = found.consistency.version;
        return [done(await this.items.update(valuesOf(write), { expectedVersion }))];
      } catch (error) {
        return [outcomeOf(error)];
      }
    });
  }

  private many(writes: readonly PlannedWrite[]): Promise<readonly Answer[]> {
    const removes = writes[0]!.kind === 'remove';
    return this.recorded(
      writes.map((write) => callOf(write, removes ? 'removeMany' : 'saveMany')),
      async () => {
        const outcomes = removes
          ? await this.items.removeMany(writes.map(({ key }) => this.items.create({ id: key })))
          : await this.items.saveMany(writes.map(withListed));
        return outcomes.map((outcome) =>
          outcome.status === 'failed' ? outcomeOf(outcome.error) : done(outcome.entity),
        );
      },
    );
  }

  private unitOfWork(writes: readonly PlannedWrite[]): Promise<readonly Answer[]> {
    return this.recorded(
      writes.map((write) => callOf(write, 'unit')),
      async () => {
        try {
          const saved = await this.service.transaction(async (unit) => {
            const items = unit.getRepository<Item>(this.repository);
            const entities: Item[] = [];
            for (const write of writes) entities.push(await this.write(items, write));
            return entities;
          });
          return saved.map(done);
        } catch (error) {
          return unitOutcomes(
            error,
            writes.map(({ key }) => key),
          );
        }
      },
    );
  }

  private write(items: ItemRepository | UnitRepository<Item>, write: PlannedWrite): Promise<Item> {
    const entity = (given: Given): Item => this.items.create(given);
    switch (write.kind) {
      case 'insert':
        return items.insert(entity(withListed(write)));
      case 'save':
        return items.save(entity(withListed(write)));
      case 'remove':
        return items.remove(entity({ id: write.key }));
      case 'softRemove':
        return items.softRemove(entity({ id: write.key }));
      case 'recover':
        return items.recover(entity({ id: write.key }));
      default: {
        const given = entity(write.kind === 'list' ? withListed(write) : valuesOf(write));
        return (items as ItemRepository).update(given);
      }
    }
  }

  // --- reads ----------------------------------------------------------------------------------------------------------

  private read(via: ReadVia, keys: readonly string[]): Promise<readonly Answer[]> {
    const kind = via === 'index' ? 'document' : via === 'barrier' ? 'live' : 'row';
    return this.recorded(
      keys.map((key) => ({ key, kind, via })),
      () =>
        blindly(async () => {
          const states = await this.look(via, keys);
          return keys.map((key) => ({ result: 'seen', seen: states.get(key) ?? null }) as const);
        }, keys.length),
    );
  }

  private async look(via: ReadVia, keys: readonly string[]): Promise<Map<string, ItemState>> {
    if (via === 'index') return new Map([[keys[0]!, await this.lookAtDocument(keys[0]!)]]);
    const where = { id: In([...keys]) };
    const rows =
      via === 'interceptor'
        ? await this.throughInterceptor(keys)
        : via === 'findOne'
          ? [await this.items.findOne({ where: { id: keys[0]! }, withDeleted: true })]
          : await this.items.find({
              where,
              withDeleted: via !== 'barrier',
              barrier: via === 'barrier',
              replica: via === 'replica',
            });
    return new Map(rows.flatMap((row) => (row ? [[row.id, stateOf(row)] as const] : [])));
  }

  private async throughInterceptor(keys: readonly string[]): Promise<Item[]> {
    const handler = { handle: () => defer(() => this.plainRows(keys)) };
    const context = { getType: () => 'rpc' } as unknown as ExecutionContext;
    return (await lastValueFrom(this.interceptor.intercept(context, handler))) as Item[];
  }

  /** Past the library, as a controller would, with the time limit that such a read should have. */
  private async plainRows(keys: readonly string[]): Promise<Item[]> {
    const runner = this.dataSource.createQueryRunner();
    const { stream } = (await runner.connect()) as { stream: Socket };
    const timer = setTimeout(() => stream.destroy(), ROWS_TIMEOUT_MS);
    try {
      return await runner.manager.find(Item, { where: { id: In([...keys]) }, withDeleted: true });
    } finally {
      clearTimeout(timer);
      await runner.release();
    }
  }

  /** Past the library: what any client of Elasticsearch sees, in real time. */
  private async lookAtDocument(id: string): Promise<ItemState> {
    const answer = await this.client.transport.request<{ found?: boolean; _source?: Item }>(
      { method: 'GET', path: `/${ITEM_INDEX}/_doc/${encodeURIComponent(id)}` },
      // The client's own limit ends with the headers; a body that stalls is ended by the signal alone.
      { signal: AbortSignal.timeout(READ_TIMEOUT_MS), maxRetries: 0, ignore: [404] },
    );
    if (answer.found === true) {
      const { value, note, listed } = answer._source!;
      return stateOf({ value, note, listed, deletedAt: null });
    }
    if (answer.found === false) return null;
    throw new Error('the answer is not about the document');
  }
}

function callOf({ key, kind, value, listed }: PlannedWrite, via: string): Omit<Invocation, 'n' | 't'> {
  return { key, kind, value, listed, ...(via === kind ? {} : { via }) };
}

function valuesOf({ key, value }: PlannedWrite): Given {
  return { id: key, value, note: noteOf(value) };
}

function withListed(write: PlannedWrite): Given {
  return { ...valuesOf(write), listed: write.listed };
}

function done(entity: Given): Answer {
  return { result: 'ok', version: entity.consistency?.version };
}

/** A read that fails tells nothing. */
async function blindly(read: () => Promise<Answer[]>, count: number): Promise<Answer[]> {
  try {
    return await read();
  } catch (error) {
    const code = (error as { code?: string }).code ?? (error as Error).name;
    return Array.from({ length: count }, () => ({ result: 'blind', code }) as const);
  }
}
