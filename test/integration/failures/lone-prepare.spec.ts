import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { OutcomeUnknownError, WriteAbortedError } from '../../../src/index.js';
import { expectAgreement } from '../../support/agreement.js';
import {
  BULK,
  columnsOf,
  Faulty,
  FLIP,
  freshId,
  NEW,
  OLD,
  type Operation,
  OPERATIONS,
  REMOVAL,
  until,
} from '../../support/faulty.js';
import { type Product, product, type ProductRepository } from '../../support/product.js';

/** The statement that prepares, and the one that reads the image. */
const PREPARE = { body: /INSERT INTO `product`|SET `consistency_pending` = JSON_OBJECT/ } as const;
const IMAGE = { body: /^.{0,8}SELECT(?!.*FOR UPDATE).*\$\.token/s } as const;
const RESTORE = { body: /SET_VAR\(time_zone/ } as const;
const BAD = 'no document can be made of this title';

/** Nobody else writes: the prepare is one autocommitted statement, and what was rolled back in a transaction is restored. */
describe('the prepare of a lone writer', () => {
  let faulty: Faulty;
  /** Its documents cannot all be made. */
  let picky: ProductRepository;

  beforeAll(async () => {
    faulty = await Faulty.start('lone-prepare', { mysqlProxy: true, module: { groupCommit: true } });
    const toDocument = (_: object, document: Record<string, unknown>) => {
      if (document['title'] === BAD) throw new Error('not this one');
      return document;
    };
    const mysql = { host: '127.0.0.1', port: faulty.mysql.port };
    // One connection: whoever takes a second one while it has the first waits for ever.
    const dataSource = { poolSize: 1 };
    ({ products: picky } = await faulty.instance({ toDocument }, { module: { groupCommit: true }, mysql, dataSource }));
  });
  afterEach(() => faulty.heal());
  afterAll(() => faulty.close());

  const bulks = () => faulty.elasticsearch.requests.filter(({ path }) => path.includes(BULK.path)).length;

  describe.each(OPERATIONS)('%s', (operation) => {
    it('takes so many round trips and no more', async () => {
      await (await faulty.plan(operation)).run();
      const write = await faulty.plan(operation);
      const [statements, requests] = [faulty.mysql.requests.length, faulty.elasticsearch.requests.length];
      expect(await write.run()).toBeUndefined();
      const sent = faulty.mysql.requests.slice(statements).map(({ body }) => body);
      const flip = operation === 'delete' ? REMOVAL : FLIP;
      const expected = [
        ...(operation === 'insert' ? [] : [/FOR UPDATE SKIP LOCKED/]),
        PREPARE.body,
        IMAGE.body,
        flip.body,
      ];
      expect(sent).toEqual(expected.map((pattern) => expect.stringMatching(pattern)));
      expect(faulty.elasticsearch.requests.length - requests).toBe(1);
      await expectAgreement(faulty, write.id, write.after);
    });

    it('the answer to the prepare is lost, and it was carried out: found by its token, and finished', async () => {
      const write = await faulty.plan(operation);
      const fault = faulty.mysql.inject({ kind: 'cut-after' }, { ...PREPARE, times: 1 });
      expect(await write.run()).toBeUndefined();
      expect(fault.hits).toBe(1);
      await expectAgreement(faulty, write.id, write.after);
    });

    it('the answer to the prepare is lost, and it was not carried out: unknown, and nothing happened', async () => {
      const write = await faulty.plan(operation);
      const [sent, before] = [bulks(), await faulty.row(write.id)];
      faulty.mysql.inject({ kind: 'cut-before' }, { ...PREPARE, times: 1 });
      const error = await write.run();
      expect(error).toBeInstanceOf(OutcomeUnknownError);
      expect(error).toMatchObject({ data: { entity: 'Product', operation, key: write.id } });
      expect(bulks() - sent).toBe(0);
      expect(await faulty.row(write.id)).toEqual(before);
      await expectAgreement(faulty, write.id, write.before);
    });

    it('the connection breaks before the image is read: it is read on another one', async () => {
      const write = await faulty.plan(operation);
      const fault = faulty.mysql.inject({ kind: 'cut-before' }, { ...IMAGE, times: 1 });
      expect(await write.run()).toBeUndefined();
      expect(fault.hits).toBe(1);
      await expectAgreement(faulty, write.id, write.after);
    });

    it('the image cannot be read at all: unknown, nothing was sent, settled as not happened', async () => {
      const write = await faulty.plan(operation);
      const sent = bulks();
      faulty.mysql.inject({ kind: 'cut-before' }, IMAGE);
      expect(await write.run()).toBeInstanceOf(OutcomeUnknownError);
      expect(bulks() - sent).toBe(0);
      expect(await faulty.row(write.id)).toMatchObject({ consistency_state: 'prepare' });
      expect(await faulty.seen(write.id)).toEqual({
        repository: write.before,
        http: write.before,
        index: write.before,
      });
      await faulty.expire(write.id);
      await expectAgreement(faulty, write.id, write.before);
    });

    it('settled before the image is read: aborted', async () => {
      const write = await faulty.plan(operation);
      const image = faulty.mysql.inject({ kind: 'hold' }, { ...IMAGE, times: 1 });
      const running = write.run();
      await image.reached();
      await faulty.expire(write.id);
      expect(await faulty.otherService.sweep()).toMatchObject({ settled: 1 });
      await faulty.mysql.release();
      expect(await running).toBeInstanceOf(WriteAbortedError);
      await expectAgreement(faulty, write.id, write.before);
    });
  });

  it("the key's next life is somebody else's write: its image is not taken for ours", async () => {
    const write = await faulty.plan('insert');
    const image = faulty.mysql.inject({ kind: 'hold' }, { ...IMAGE, times: 1 });
    const running = write.run();
    await image.reached();
    // Somebody who was slow has settled ours, and a later insert of the key is under way.
    await faulty.stores.database.query(
      `UPDATE product SET title = 'theirs', consistency_version = consistency_version + 1,
          consistency_pending = JSON_SET(consistency_pending, '$.token', 'theirs') WHERE id = ?`,
      [write.id],
    );
    const sent = bulks();
    await faulty.mysql.release();
    expect(await running).toBeInstanceOf(WriteAbortedError);
    expect(bulks() - sent).toBe(0);
    expect(await faulty.row(write.id)).toMatchObject({ title: 'theirs', consistency_state: 'prepare' });
    await faulty.expire(write.id);
    await expectAgreement(faulty, write.id, null);
  });

  it('MySQL gives the id: a lost answer is found again all the same', async () => {
    const fault = faulty.mysql.inject({ kind: 'cut-after' }, { ...PREPARE, times: 1 });
    const saved = await faulty.products.save(product({ title: NEW }));
    expect(fault.hits).toBe(1);
    await expectAgreement(faulty, saved.id, NEW);
  });

  it('MySQL gives the id: unknown where nothing is found', async () => {
    faulty.mysql.inject({ kind: 'cut-before' }, { ...PREPARE, times: 1 });
    await expect(faulty.products.save(product({ title: NEW }))).rejects.toMatchObject({
      code: 'OUTCOME_UNKNOWN',
      data: { entity: 'Product', operation: 'insert', key: undefined },
    });
  });

  describe.each(['insert', 'update'] as const)('%s of a row that cannot become a document', (operation: Operation) => {
    const write = async () => {
      const before = operation === 'update' ? await faulty.seed() : undefined;
      const id = before?.id ?? freshId();
      const columns = columnsOf(await faulty.row(id));
      const run = () => (before ? picky.update({ id, title: BAD }) : picky.insert(product({ id, title: BAD })));
      return { id, columns, run, title: before ? OLD : null };
    };

    it('is taken back, and the caller told why', async () => {
      const { id, columns, run, title } = await write();
      const sent = bulks();
      await expect(run()).rejects.toMatchObject({ code: 'INVALID_DOCUMENT' });
      expect(bulks() - sent).toBe(0);
      expect(columnsOf(await faulty.row(id))).toEqual(columns);
      expect(await faulty.undecided()).not.toContain(id);
      await expectAgreement(faulty, id, title, { versionUsedUp: true });
    });

    it('is settled later where that fails', async () => {
      const { id, columns, run, title } = await write();
      const fault = faulty.mysql.inject(
        { kind: 'cut-before' },
        { ...(operation === 'insert' ? REMOVAL : RESTORE), times: 1 },
      );
      await expect(run()).rejects.toMatchObject({ code: 'INVALID_DOCUMENT' });
      expect(fault.hits).toBe(1);
      expect(await faulty.seen(id)).toEqual({ repository: title, http: title, index: title });
      await faulty.expire(id);
      await expectAgreement(faulty, id, title);
      expect(columnsOf(await faulty.row(id))).toEqual(columns);
    });
  });

  it('MySQL refuses to read the image: the row is taken back, and the error is its own', async () => {
    const write = await faulty.plan('insert');
    const image = faulty.mysql.inject({ kind: 'hold' }, { ...IMAGE, times: 1 });
    const running = write.run();
    await image.reached();
    const { database } = faulty.stores;
    await database.query('ALTER TABLE product RENAME COLUMN stock TO moved');
    try {
      await faulty.mysql.release();
      expect(await running).toMatchObject({ driverError: { code: 'ER_BAD_FIELD_ERROR' } });
      expect(await faulty.row(write.id)).toBeUndefined();
    } finally {
      await database.query('ALTER TABLE product RENAME COLUMN moved TO stock');
    }
    await expectAgreement(faulty, write.id, null);
  });

  describe('somebody writes the row between the look and the change', () => {
    const overtaken = async (write: (seeded: Product) => Promise<Product>) => {
      const seeded = await faulty.seed();
      const change = faulty.mysql.inject({ kind: 'hold' }, { ...PREPARE, times: 1 });
      const running = write(seeded).catch((error: unknown) => error);
      await change.reached();
      await faulty.others.update({ id: seeded.id, stock: 77 });
      await faulty.mysql.release();
      return { seeded, result: await running };
    };

    it('the later write wins, also where it would not have changed what it saw', async () => {
      const { seeded, result } = await overtaken(({ id, stock }) => faulty.products.update({ id, title: NEW, stock }));
      expect(result).toMatchObject({ title: NEW, stock: seeded.stock });
      await expectAgreement(faulty, seeded.id, NEW);
    });

    it('a version that was expected is gone', async () => {
      const { seeded, result } = await overtaken(({ id, consistency }) =>
        faulty.products.update({ id, title: NEW }, { expectedVersion: consistency.version }),
      );
      expect(result).toMatchObject({ code: 'STALE_VERSION' });
      await expectAgreement(faulty, seeded.id, OLD);
    });
  });

  it('somebody soft-deletes the row by plain SQL between the look and the change: it gets no document', async () => {
    const seeded = await faulty.seed();
    const change = faulty.mysql.inject({ kind: 'hold' }, { ...PREPARE, times: 1 });
    const running = faulty.products.update({ id: seeded.id, title: NEW }).catch(() => undefined);
    await change.reached();
    await faulty.stores.database.query('UPDATE product SET deletedAt = UTC_TIMESTAMP() WHERE id = ?', [seeded.id]);
    await faulty.mysql.release();
    await running;
    await until('it is decided', async () => !(await faulty.undecided()).includes(seeded.id));
    expect((await faulty.document(seeded.id))?.source['title']).not.toBe(NEW);
  });

  it('MySQL is not there: its own error, and nothing happened', async () => {
    const write = await faulty.plan('insert');
    await faulty.mysql.refuse();
    // The first may still meet a connection that nobody knows to be broken.
    await write.run();
    expect(await write.run()).toMatchObject({ code: 'ECONNREFUSED' });
    await faulty.mysql.start();
    expect(await write.run()).toBeUndefined();
    await expectAgreement(faulty, write.id, NEW);
  });
});
