import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { WriteAbortedError } from '../../../src/index.js';
import { BULK, Faulty, freshId, MGET, until } from '../../support/faulty.js';
import type { ProductRepository } from '../../support/product.js';

const COUNT = { body: /SELECT COUNT\(/ } as const;

/** A barrier looks for undecided rows and evaluates its predicate in one snapshot: nothing can slip in between. */
describe('the snapshot of a barrier', () => {
  let faulty: Faulty;
  let writers: ProductRepository;

  beforeAll(async () => {
    const patient = { writeTimeoutMs: 30_000, busyTimeoutMs: 30_000, groupCommit: false };
    faulty = await Faulty.start('snapshot', { mysqlProxy: true, module: patient });
    const writer = await faulty.instance({}, { module: patient, elasticsearchNode: faulty.elasticsearch.url });
    writers = writer.products;
  });
  afterEach(() => faulty.heal());
  afterAll(() => faulty.close());

  const looks = () => faulty.elasticsearch.requests.filter(({ path }) => path.includes(MGET.path)).length;
  const counts = () => faulty.mysql.requests.filter(({ body }) => COUNT.body.test(body)).length;

  /** Begins writes whose index requests are held. */
  async function begin(...writes: (() => Promise<unknown>)[]): Promise<Promise<unknown>[]> {
    const held = faulty.elasticsearch.held;
    faulty.elasticsearch.inject({ kind: 'hold' }, { ...BULK, times: writes.length });
    const running = writes.map((write) => write().catch((error: unknown) => error));
    await until('all are under way', () => faulty.elasticsearch.held === held + writes.length);
    return running;
  }

  it('does not hold a write that is prepared after its look, and comes to nothing', async () => {
    const title = `snapshot ${freshId()}`;
    const { id } = await faulty.seed({ title });
    const statement = faulty.mysql.inject({ kind: 'hold' }, { ...COUNT, times: 1 });
    const count = faulty.products.countBy({ title });
    await statement.reached();
    const [write] = await begin(() => writers.update({ id, title: 'moved away' }));
    await faulty.mysql.release();
    expect(await count).toBe(1);
    await faulty.expire(id);
    expect((await faulty.others.findOneByOrFail({ id })).title).toBe(title);
    await faulty.elasticsearch.release();
    expect(await write).toBeInstanceOf(WriteAbortedError);
  });

  it('stands, without another read, when all of its writes commit', async () => {
    const title = `snapshot ${freshId()}`;
    const [moved, removed] = [await faulty.seed({ title }), await faulty.seed({ title })];
    const inserted = freshId();
    const running = await begin(
      () => writers.update({ id: moved.id, title: 'moved away' }),
      () => writers.remove(removed),
      () => writers.insert({ id: inserted, sku: title, title }),
    );
    const [countsBefore, looksBefore] = [counts(), looks()];
    const reads = Promise.all([
      faulty.products.countBy({ title }),
      faulty.products.findWith((query) => query.where('row.title = :title', { title }).orWhere('row.id = 0'), {
        barrier: true,
      }),
      faulty.products.find({ where: { title }, take: 1, order: { id: 'ASC' }, barrier: true }),
    ]);
    await until('the readers wait', () => looks() >= looksBefore + 3);
    await faulty.elasticsearch.release();
    const [count, built, page] = await reads;
    expect(count).toBe(1);
    expect(built).toMatchObject([{ id: inserted, consistency: { state: 'commit' } }]);
    expect(page).toMatchObject([{ id: inserted, title, consistency: { state: 'commit' } }]);
    expect(counts() - countsBefore).toBe(1);
    await Promise.all(running);
  });

  it('is taken again when one of its writes comes to nothing', async () => {
    const title = `snapshot ${freshId()}`;
    const [moved, removed] = [await faulty.seed({ title }), await faulty.seed({ title })];
    const running = await begin(
      () => writers.update({ id: moved.id, title: 'moved away' }),
      () => writers.remove(removed),
    );
    const [countsBefore, looksBefore] = [counts(), looks()];
    const count = faulty.products.countBy({ title });
    await until('the reader waits', () => looks() > looksBefore);
    // The delete is raced for by putting its document back; the update likewise.
    await faulty.expire(moved.id, removed.id);
    expect(await count).toBe(2);
    expect(counts() - countsBefore).toBe(2);
    await faulty.elasticsearch.release();
    for (const error of await Promise.all(running)) expect(error).toBeInstanceOf(WriteAbortedError);
  });

  it('finds, past a row that is not to be seen, the next one', async () => {
    const title = `snapshot ${freshId()}`;
    const first = freshId();
    const second = await faulty.seed({ title });
    const [running] = await begin(() => writers.insert({ id: first, sku: title, title }));
    const looksBefore = looks();
    const found = faulty.products.findOne({ where: { title }, order: { id: 'ASC' }, barrier: true });
    await until('the reader waits', () => looks() > looksBefore);
    await faulty.expire(first);
    expect(await found).toMatchObject({ id: second.id });
    await faulty.elasticsearch.release();
    await running;
  });
});
