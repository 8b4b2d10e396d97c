import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { expectAgreement } from '../../support/agreement.js';
import { BULK, Faulty, freshId, OPERATIONS, type PlannedWrite, until } from '../../support/faulty.js';

describe('readers while a write is under way', () => {
  let faulty: Faulty;

  beforeAll(async () => {
    faulty = await Faulty.start('readers', {
      // One request for each write: the test holds them one by one.
      module: { writeTimeoutMs: 30_000, deadlineMs: 60_000, groupCommit: false },
    });
  });
  afterEach(() => faulty.heal());
  afterAll(() => faulty.close());

  /** Begins a write and stops it before Elasticsearch has its request. */
  async function midway(write: PlannedWrite): Promise<{ running: Promise<unknown> }> {
    faulty.elasticsearch.inject({ kind: 'hold' }, { ...BULK, times: 1 });
    const running = write.run();
    await until('the request is under way', () => faulty.elasticsearch.held === 1);
    // Wrapped: a promise that is returned bare would be waited for.
    return { running };
  }

  it.each(OPERATIONS)(
    '%s: the image before it until Elasticsearch has it, the image after it from then on',
    async (operation) => {
      const write = await faulty.plan(operation);
      const { running } = await midway(write);
      const before = { repository: write.before, http: write.before, index: write.before };
      expect(await faulty.seen(write.id)).toEqual(before);
      expect((await faulty.products.findOneBy({ id: write.id }))?.title ?? null).toBe(write.before);
      await faulty.elasticsearch.release();
      expect(await running).toBeUndefined();
      await expectAgreement(faulty, write.id, write.after);
    },
  );

  it.each(OPERATIONS)(
    '%s: taken by Elasticsearch, not yet answered: readers already see it, and stay with it',
    async (operation) => {
      const write = await faulty.plan(operation);
      const answered = faulty.elasticsearch.inject({ kind: 'delay', answerMs: 400 }, { ...BULK, times: 1 });
      const running = write.run();
      await answered.reached();
      await until('Elasticsearch has it', async () => {
        const title = ((await faulty.document(write.id))?.source['title'] as string | undefined) ?? null;
        return title === write.after;
      });
      await expectAgreement(faulty, write.id, write.after);
      expect(await running).toBeUndefined();
      await expectAgreement(faulty, write.id, write.after);
    },
  );

  it('lists: the previous image in place, an insert absent, a deleted row still there', async () => {
    const [update, removal, insert] = [
      await faulty.plan('update'),
      await faulty.plan('delete'),
      await faulty.plan('insert'),
    ];
    const quiet = await faulty.seed();
    faulty.elasticsearch.inject({ kind: 'hold' }, { ...BULK, times: 3 });
    const running = [update, removal, insert].map((write) => write.run());
    await until('all are under way', () => faulty.elasticsearch.held === 3);
    const ids = [update, removal, insert, quiet].map(({ id }) => id);
    const listed = (await faulty.others.find({ order: { id: 'ASC' } })).filter(({ id }) => ids.includes(id));
    expect(listed.map(({ id, title }) => [id, title])).toEqual([
      [update.id, update.before],
      [removal.id, removal.before],
      [quiet.id, quiet.title],
    ]);
    const response = await fetch(`${await faulty.otherApplication.getUrl()}/products`);
    const overHttp = ((await response.json()) as { id: string; title: string }[]).filter(({ id }) => ids.includes(id));
    expect(overHttp.map(({ id, title }) => [id, title])).toEqual(listed.map(({ id, title }) => [id, title]));
    await faulty.elasticsearch.release();
    expect(await Promise.all(running)).toEqual([undefined, undefined, undefined]);
  });

  it('findOne: looks past an undecided insert to the next row that matches, and waits for nobody', async () => {
    const title = `findOne ${freshId()}`;
    const second = await faulty.seed({ title });
    faulty.elasticsearch.inject({ kind: 'hold' }, { ...BULK, times: 1 });
    const running = faulty.products.insert({ id: '1', sku: title, title });
    await until('the request is under way', () => faulty.elasticsearch.held === 1);
    expect(await faulty.others.findOne({ where: { title }, order: { id: 'ASC' } })).toMatchObject({ id: second.id });
    expect(await faulty.others.findOneBy({ id: '1' })).toBeNull();
    await faulty.elasticsearch.release();
    await running;
    expect(await faulty.others.findOne({ where: { title }, order: { id: 'ASC' } })).toMatchObject({ id: '1' });
  });

  it('once a reader saw a value, no later reader sees an older one', async () => {
    const seeded = await faulty.seed({ stock: 0 });
    faulty.elasticsearch.inject({ kind: 'delay', requestMs: 10, answerMs: 10 }, BULK);
    const index = faulty.stores.index('products');
    const readers: (() => Promise<number>)[] = [
      async () => (await faulty.others.findOneByOrFail({ id: seeded.id })).stock,
      async () => (await faulty.products.findOneByOrFail({ id: seeded.id })).stock,
      async () => (await faulty.stores.document(index, seeded.id))!.source['stock'] as number,
      async () => {
        const response = await fetch(`${await faulty.otherApplication.getUrl()}/products/${seeded.id}`);
        return ((await response.json()) as { stock: number }).stock;
      },
    ];
    let seenSoFar = 0;
    let writing = true;
    let reads = 0;
    const backwards: string[] = [];
    const read = async (ask: () => Promise<number>, name: number): Promise<void> => {
      while (writing) {
        const floor = seenSoFar;
        const stock = await ask();
        reads += 1;
        if (stock < floor) backwards.push(`reader ${name} saw ${stock} after ${floor}`);
        seenSoFar = Math.max(seenSoFar, stock);
      }
    };
    const reading = readers.flatMap((ask, name) => [read(ask, name), read(ask, name)]);
    for (let stock = 1; stock <= 50; stock += 1) {
      await (stock % 2 === 0 ? faulty.products : faulty.others).update({ id: seeded.id, stock });
      // Acknowledged: from here on every reader must see it.
      seenSoFar = Math.max(seenSoFar, stock);
    }
    writing = false;
    await Promise.all(reading);
    expect(backwards).toEqual([]);
    expect(reads).toBeGreaterThan(50);
    await expectAgreement(faulty, seeded.id, seeded.title);
  });
});
