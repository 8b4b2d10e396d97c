import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { expectAgreement } from '../../support/agreement.js';
import { Faulty, FLIP, freshId, NEW, OPERATIONS, REMOVAL, until } from '../../support/faulty.js';
import { product } from '../../support/product.js';

/** `acknowledge: 'indexed'`: the caller is answered when the write is decided, and the flip follows. */
describe('the flip that nobody waits for', () => {
  let faulty: Faulty;

  beforeAll(async () => {
    const module = { acknowledge: 'indexed', groupCommit: true } as const;
    faulty = await Faulty.start('indexed-acknowledge', { mysqlProxy: true, module });
  });
  afterEach(() => faulty.heal());
  afterAll(() => faulty.close());

  const isSettled = async (id: string) => !(await faulty.undecided()).includes(id);

  it.each(OPERATIONS)('%s: follows by itself', async (operation) => {
    const write = await faulty.plan(operation);
    expect(await write.run()).toBeUndefined();
    await until('it is flipped', () => isSettled(write.id));
    await expectAgreement(faulty, write.id, write.after);
  });

  it.each(OPERATIONS)('%s: readers see the write before it', async (operation) => {
    const write = await faulty.plan(operation);
    const flip = faulty.mysql.inject({ kind: 'hold' }, { ...(operation === 'delete' ? REMOVAL : FLIP), times: 1 });
    expect(await write.run()).toBeUndefined();
    await flip.reached();
    expect(await faulty.seen(write.id)).toEqual({ repository: write.after, http: write.after, index: write.after });
    await faulty.mysql.release();
    await until('it is settled', () => isSettled(write.id));
    await expectAgreement(faulty, write.id, write.after);
  });

  it('the same row again and again, without a pause', async () => {
    const { id } = await faulty.seed();
    for (let stock = 1; stock <= 20; stock++) await faulty.products.update({ id, stock, title: NEW });
    await until('it is flipped', () => isSettled(id));
    expect(await faulty.row(id)).toMatchObject({ stock: 20 });
    await expectAgreement(faulty, id, NEW);
  });

  it('is carried out before the application has ended', async () => {
    const module = { acknowledge: 'indexed', groupCommit: true } as const;
    const { application, products } = await faulty.instance({}, { module });
    const ids = Array.from({ length: 5 }, freshId);
    for (const id of ids) await products.insert(product({ id, title: NEW }));
    await application.close();
    expect(await faulty.undecided()).toEqual([]);
    for (const id of ids) await expectAgreement(faulty, id, NEW);
  });
});
