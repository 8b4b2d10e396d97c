import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { Connection } from 'mysql2/promise';
import { createConnection } from 'mysql2/promise';
import { type ConsistentService, OutcomeUnknownError, StatementTimeoutError } from '../../../src/index.js';
import type { Fault } from '../../../src/testing/index.js';
import { expectAgreement } from '../../support/agreement.js';
import { BULK, COMMIT, Faulty, FLIP, freshId, NEW, OLD, OPERATIONS, until } from '../../support/faulty.js';
import { type Product, type ProductRepository, product, type productRepository } from '../../support/product.js';

const LIMITS = { writeTimeoutMs: 300, statementTimeoutMs: 400, busyTimeoutMs: 200 };
const SILENT: Fault = { kind: 'black-hole' };
/** Carried out, but the answer comes when nobody waits any more. */
const ANSWERED_LATE: Fault = { kind: 'delay', answerMs: 3_600_000 };
const INSERT = { body: /INSERT INTO `product`/ } as const;
const SELECT = { body: /SELECT [^]* FROM `product`/ } as const;
const LONE_PREPARE = { body: /INSERT INTO `product`|SET `consistency_pending` = JSON_OBJECT/ } as const;

describe('MySQL does not answer', () => {
  let faulty: Faulty;
  /** Each with a pool of one connection: were it lost, or given to the next with an answer still to come, all would hang. */
  let shared: ProductRepository;
  let single: ProductRepository;
  let service: ConsistentService;

  beforeAll(async () => {
    faulty = await Faulty.start('statement-timeout');
    const mysql = { host: '127.0.0.1', port: faulty.mysql.port };
    const dataSource = { poolSize: 1 };
    const one = await faulty.instance({}, { module: LIMITS, mysql, dataSource });
    ({ products: shared, service } = one);
    const module = { ...LIMITS, groupCommit: false };
    ({ products: single } = await faulty.instance({}, { module, mysql, dataSource }));
  });
  afterEach(async () => {
    faulty.mysql.clear();
    await endVanished();
    await faulty.heal();
    await faulty.expire();
    await faulty.otherService.sweep();
  });
  afterAll(() => faulty.close());

  /** What a black hole has swallowed keeps its transaction until the server notices. Here an operator ends it. */
  async function endVanished(): Promise<void> {
    const orphans = await faulty.stores.database.query<{ id: number }>(
      `SELECT p.ID AS id FROM information_schema.INNODB_TRX t
         JOIN information_schema.PROCESSLIST p ON p.ID = t.trx_mysql_thread_id WHERE p.DB = DATABASE()`,
    );
    for (const { id } of orphans) await faulty.stores.database.query(`KILL ${id}`);
  }

  const both = () => [shared, single] as const;

  it('in the prepare: nothing was written, and the next write goes through', async () => {
    for (const products of both()) {
      const id = freshId();
      const fault = faulty.mysql.inject(SILENT, INSERT);
      const error = await products.insert(product({ id, title: NEW })).catch((thrown: Error) => thrown);
      // The lone writer's one statement commits itself: whether it was carried out cannot be known.
      if (products === shared) expect(error).toBeInstanceOf(OutcomeUnknownError);
      const timeout = products === shared ? (error as Error).cause : error;
      expect(timeout).toBeInstanceOf(StatementTimeoutError);
      expect(timeout).toMatchObject({ code: 'STATEMENT_TIMEOUT', retryable: true, data: { statement: 'INSERT' } });
      expect(fault.hits).toBeGreaterThan(0);
      fault.remove();
      await expectAgreement(faulty, id, null);
      await products.insert(product({ id, title: NEW }));
      await expectAgreement(faulty, id, NEW);
    }
  });

  it('in a prepare that several share: each is tried again by itself', async () => {
    const ids = [freshId(), freshId(), freshId()];
    const fault = faulty.mysql.inject(SILENT, { ...INSERT, times: 1 });
    await Promise.all(ids.map((id) => shared.insert(product({ id, title: NEW }))));
    expect(fault.hits).toBe(1);
    for (const id of ids) await expectAgreement(faulty, id, NEW);
  });

  it('in every statement: saveMany ends, and says of each row that it was not written', async () => {
    const ids = Array.from({ length: 40 }, freshId);
    const fault = faulty.mysql.inject(SILENT, { body: /`product`/ });
    const outcomes = await shared.saveMany(ids.map((id) => product({ id, title: NEW })));
    fault.remove();
    expect(outcomes).toHaveLength(ids.length);
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({ status: 'failed', error: expect.any(StatementTimeoutError) });
    }
    for (const id of ids) expect(await faulty.row(id)).toBeUndefined();
  });

  describe.each([
    ['swallowed', SILENT],
    ['carried out', ANSWERED_LATE],
  ] as const)('in the COMMIT, which was %s', (_what, fault) => {
    it.each(OPERATIONS)('%s: the outcome is unknown, and settled later', async (operation) => {
      const write = await faulty.plan(operation);
      const injected = faulty.mysql.inject(fault, { ...COMMIT, times: 1 });
      const error = await write.run(single);
      expect(injected.hits).toBe(1);
      expect(error).toBeInstanceOf(OutcomeUnknownError);
      expect(error!.cause).toBeInstanceOf(StatementTimeoutError);
      const state = fault === SILENT ? (operation === 'insert' ? undefined : 'commit') : 'prepare';
      expect((await faulty.row(write.id))?.['consistency_state']).toBe(state);
      await endVanished();
      await faulty.expire(write.id);
      await expectAgreement(faulty, write.id, write.before);
      expect(await single.findBy({ id: write.id })).toHaveLength(write.before === null ? 0 : 1);
    });

    it('a unit of work: unknown', async () => {
      const rows = [await faulty.seed(), await faulty.seed()];
      faulty.mysql.inject(fault, { ...COMMIT, times: 1 });
      const unit = service.transaction(async (tx) => {
        const products = tx.getRepository(shared.constructor as ReturnType<typeof productRepository>);
        for (const { id } of rows) await products.save({ id, title: NEW } as Product);
      });
      await expect(unit).rejects.toMatchObject({
        code: 'OUTCOME_UNKNOWN',
        cause: expect.any(StatementTimeoutError),
      });
      await endVanished();
      await faulty.expire();
      for (const { id } of rows) await expectAgreement(faulty, id, OLD);
    });
  });

  describe.each(OPERATIONS)('in the one statement of a lone prepare: %s', (operation) => {
    it('carried out: found by the token, and finished', async () => {
      const write = await faulty.plan(operation);
      const fault = faulty.mysql.inject(ANSWERED_LATE, { ...LONE_PREPARE, times: 1 });
      expect(await write.run(shared)).toBeUndefined();
      expect(fault.hits).toBe(1);
      await expectAgreement(faulty, write.id, write.after);
    });

    it('swallowed: unknown, and settled later', async () => {
      const write = await faulty.plan(operation);
      const fault = faulty.mysql.inject(SILENT, { ...LONE_PREPARE, times: 1 });
      const error = await write.run(shared);
      expect(fault.hits).toBe(1);
      expect(error).toBeInstanceOf(OutcomeUnknownError);
      expect(error!.cause).toBeInstanceOf(StatementTimeoutError);
      await endVanished();
      await faulty.expire(write.id);
      await expectAgreement(faulty, write.id, write.before);
    });
  });

  it('in the flip: success, and the row is settled by the next reader', async () => {
    for (const products of both()) {
      const write = await faulty.plan('update');
      const fault = faulty.mysql.inject(SILENT, { ...FLIP, times: 1 });
      expect(await write.run(products)).toBeUndefined();
      expect(fault.hits).toBe(1);
      expect(await products.findOneBy({ id: write.id })).toMatchObject({ title: NEW });
      await expectAgreement(faulty, write.id, NEW);
    }
  });

  it('in a read: it ends, and the next one is answered', async () => {
    const row = await faulty.seed();
    for (const read of [
      () => shared.findOneBy({ id: row.id }),
      () => shared.find({ where: { id: row.id }, barrier: true }),
      () => shared.countBy({ id: row.id }),
    ]) {
      const fault = faulty.mysql.inject(SILENT, { ...SELECT, times: 1 });
      await expect(read()).rejects.toThrow(StatementTimeoutError);
      expect(fault.hits).toBe(1);
    }
    expect(await shared.findOneBy({ id: row.id })).toMatchObject({ title: OLD });
  });

  it('in a sweep: it ends, and the next one settles the row', async () => {
    const write = await faulty.abandon('update');
    await faulty.expire(write.id);
    const fault = faulty.mysql.inject(SILENT, { ...SELECT, times: 1 });
    await expect(service.sweep()).rejects.toThrow(StatementTimeoutError);
    expect(fault.hits).toBe(1);
    await endVanished();
    expect(await service.sweep()).toMatchObject({ settled: 1 });
    await expectAgreement(faulty, write.id, OLD);
  });

  it('while connections take longer to be made than anybody waits: they are used once they are there', async () => {
    const handshake = faulty.mysql.inject({ kind: 'delay', requestMs: 700 }, { body: /caching_sha2|mysql_native/ });
    faulty.mysql.cutAll();
    const row = await faulty.seed();
    const codes: (string | undefined)[] = [];
    await until('a read is answered', async () => {
      const error = await shared.findOneBy({ id: row.id }).then(
        () => undefined,
        (thrown: { code?: string }) => thrown,
      );
      codes.push(error?.code);
      return error === undefined;
    });
    expect(handshake.hits).toBeGreaterThan(0);
    expect(codes).toContain('STATEMENT_TIMEOUT');
  });

  it('while the only connection is taken: what waits for it ends too, and was not sent', async () => {
    const id = freshId();
    let error: unknown;
    await service.transaction(async (unit) => {
      await unit.query('SELECT 1');
      error = await shared.insert(product({ id })).catch((thrown: unknown) => thrown);
    });
    expect(error).toMatchObject({ code: 'STATEMENT_TIMEOUT', data: { statement: null } });
    await shared.insert(product({ id, title: NEW }));
    await expectAgreement(faulty, id, NEW);
  });
});

describe("somebody else's transaction holds row locks", () => {
  let faulty: Faulty;
  let locker: Connection;

  beforeAll(async () => {
    faulty = await Faulty.start('foreign-locks', { module: LIMITS });
    locker = await createConnection(faulty.stores.database.url);
  });
  afterEach(async () => {
    await locker.rollback();
    await faulty.heal();
    await faulty.expire();
    await faulty.otherService.sweep();
  });
  afterAll(async () => {
    await locker.end();
    await faulty.close();
  });

  async function lock(...ids: string[]): Promise<void> {
    await locker.query('SELECT 1 FROM product WHERE id IN (?) FOR UPDATE', [ids]);
  }

  /** Sends a write whose row is locked by the time that it is to be flipped. */
  async function flipAgainstLock(write: () => Promise<unknown>, id: string): Promise<void> {
    const { held } = faulty.elasticsearch;
    const fault = faulty.elasticsearch.inject({ kind: 'hold' }, { ...BULK, times: 1 });
    const running = write();
    await until('the write is under way', () => faulty.elasticsearch.held === held + 1);
    fault.remove();
    await lock(id);
    await faulty.elasticsearch.release();
    await running;
  }

  const stateOf = async (id: string) => (await faulty.row(id))?.['consistency_state'];

  it("a prepare that needs the row ends long before MySQL's own limit, and leaves nothing waiting in the server", async () => {
    const row = await faulty.seed();
    await locker.beginTransaction();
    await lock(row.id);
    const write = faulty.products.update({ id: row.id, title: NEW });
    await expect(write).rejects.toMatchObject({ code: 'STATEMENT_TIMEOUT', retryable: true });
    await until('nobody waits for the lock', async () => {
      const waits = await faulty.stores.database.query<{ n: number }>(
        `SELECT COUNT(*) AS n FROM performance_schema.data_lock_waits w JOIN performance_schema.data_locks l
           ON l.ENGINE_LOCK_ID = w.REQUESTING_ENGINE_LOCK_ID WHERE l.OBJECT_SCHEMA = DATABASE()`,
      );
      return Number(waits[0]!.n) === 0;
    });
    await locker.rollback();
    await expectAgreement(faulty, row.id, OLD);
  });

  it('more locked rows than flips may be slow: the flips of other rows go on', async () => {
    const locked = await Promise.all(Array.from({ length: 5 }, () => faulty.seed()));
    await locker.beginTransaction();
    for (const { id } of locked) {
      await flipAgainstLock(() => faulty.products.update({ id, title: NEW }), id);
    }
    const free = await faulty.seed();
    await faulty.products.update({ id: free.id, title: NEW });
    await until('the other row is flipped', async () => (await stateOf(free.id)) === 'commit');
    for (const { id } of locked) {
      expect(await stateOf(id)).toBe('prepare');
      expect(await faulty.others.findOneBy({ id })).toMatchObject({ title: NEW });
    }
    await locker.rollback();
    for (const { id } of [...locked, free]) await expectAgreement(faulty, id, NEW);
  });

  it('rows that share a flip with a locked one are flipped, and can be written again', async () => {
    const rows = await Promise.all(Array.from({ length: 3 }, () => faulty.seed()));
    const [first, locked, last] = rows as [Product, Product, Product];
    await locker.beginTransaction();
    await flipAgainstLock(() => faulty.products.saveMany(rows.map(({ id }) => ({ id, title: NEW }))), locked.id);
    for (const { id } of [first, last]) {
      await until('the neighbour is flipped', async () => (await stateOf(id)) === 'commit');
      await faulty.others.update({ id, title: 'again' });
      await expectAgreement(faulty, id, 'again');
    }
    expect(await stateOf(locked.id)).toBe('prepare');
    await locker.rollback();
    await expectAgreement(faulty, locked.id, NEW);
  });
});
