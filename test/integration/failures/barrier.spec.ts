import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { BarrierTimeoutError } from '../../../src/index.js';
import { BULK, Faulty, freshId, MGET, until } from '../../support/faulty.js';

/** MySQL judges predicates by the new image. A barrier waits until there is nothing undecided to judge. */
describe('barrier reads and counts', () => {
  let faulty: Faulty;

  beforeAll(async () => {
    faulty = await Faulty.start('barrier', {
      // One request for each write: the test holds them one by one.
      module: { writeTimeoutMs: 30_000, busyTimeoutMs: 30_000, groupCommit: false },
    });
  });
  afterEach(() => faulty.heal());
  afterAll(() => faulty.close());

  const looks = () => faulty.elasticsearch.requests.filter(({ path }) => path.includes(MGET.path)).length;

  /** An update, a removal and an insert under way; all rows have this title before or after. */
  async function underWay() {
    const title = `barrier ${freshId()}`;
    const [moved, removed] = [await faulty.seed({ title }), await faulty.seed({ title })];
    const held = faulty.elasticsearch.held;
    faulty.elasticsearch.inject({ kind: 'hold' }, { ...BULK, times: 3 });
    const inserted = freshId();
    const running = Promise.all([
      faulty.products.update({ id: moved.id, title: 'moved away' }),
      faulty.products.remove(removed),
      faulty.products.insert({ id: inserted, sku: title, title }),
    ]);
    await until('all are under way', () => faulty.elasticsearch.held === held + 3);
    return { title, moved, removed, inserted, running };
  }

  it('without it a predicate sees undecided writes, though never their values', async () => {
    const { title, moved, removed, running } = await underWay();
    const found = await faulty.others.find({ where: { title }, order: { id: 'ASC' } });
    expect(found.map(({ id }) => id)).toEqual([removed.id]);
    const away = await faulty.others.findOneByOrFail({ id: moved.id, title: 'moved away' });
    expect(away.title).toBe(title);
    expect(await faulty.others.count({ where: { title }, barrier: false })).toBe(2);
    await faulty.elasticsearch.release();
    await running;
  });

  it('with it a list is exact, and so is every count', async () => {
    const { title, inserted, running } = await underWay();
    const before = looks();
    let released = false;
    const reads = Promise.all([
      faulty.products.find({ where: { title }, barrier: true }),
      faulty.products.countBy({ title }),
      faulty.products.findAndCount({ where: { title } }),
      faulty.products.existsBy({ title: 'moved away' }),
      faulty.products.findOne({ where: { title }, barrier: true }),
      faulty.products.findWith((query) => query.where('row.title = :title', { title }), { barrier: true }),
    ]).then((answers) => {
      expect(released).toBe(true);
      return answers;
    });
    await until('the readers wait at the barrier', () => looks() > before);
    released = true;
    await faulty.elasticsearch.release();
    await running;
    const [list, count, [page, total], exists, one, built] = await reads;
    expect(list.map(({ id }) => id)).toEqual([inserted]);
    expect(count).toBe(1);
    expect([page.map(({ id }) => id), total]).toEqual([[inserted], 1]);
    expect(exists).toBe(true);
    expect(one).toMatchObject({ id: inserted });
    expect(built.map(({ id }) => id)).toEqual([inserted]);
  });

  it('waits for the writes of its own beginning, not for those that come after', async () => {
    const first = await underWay();
    const before = looks();
    const count = faulty.products.countBy({ title: first.title });
    await until('the reader waits at the barrier', () => looks() > before);
    const later = await faulty.abandon('update');
    await faulty.elasticsearch.release();
    await first.running;
    expect(await count).toBe(1);
    expect(await faulty.undecided()).toEqual([later.id]);
    await faulty.expire(later.id);
    await faulty.otherService.sweep();
  });

  it('gives up within its bound', async () => {
    const impatient = await faulty.instance({}, { module: { busyTimeoutMs: 50 } });
    const { title, running } = await underWay();
    const error = await impatient.products.countBy({ title }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(BarrierTimeoutError);
    expect(error).toMatchObject({ code: 'BARRIER_TIMEOUT', retryable: true, data: { entity: 'Product', rows: 3 } });
    await faulty.elasticsearch.release();
    await running;
    expect(await impatient.products.countBy({ title })).toBe(1);
  });

  it('settles what is past its deadline instead of waiting', async () => {
    const { title, moved, removed, inserted, running } = await underWay();
    await faulty.expire(moved.id, removed.id, inserted);
    expect(await faulty.others.countBy({ title })).toBe(2);
    await faulty.elasticsearch.release();
    await expect(running).rejects.toThrow();
    expect(await faulty.others.countBy({ title })).toBe(2);
  });
});
