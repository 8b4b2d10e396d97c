import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { INestApplication } from '@nestjs/common';
import { DataSource, In } from 'typeorm';
import { Product, type ProductRepository } from '../../support/product.js';
import { BULK, Faulty, NEW, OLD, until } from '../../support/faulty.js';
import { ReplicaServers } from '../../support/replica.servers.js';

const START_MS = 300_000;
const MARK = 'only on the replica';

/** A real asynchronous replica, late or standing still. Whoever sees the mark was answered by it. */
describe('reads where MySQL has a replica', () => {
  let servers: ReplicaServers;
  let faulty: Faulty;
  /** Waits for the replica as long as it takes. */
  let patient: ProductRepository;
  let application: INestApplication;

  const instance = (timeoutMs: number) => {
    const { connection } = faulty.stores.database;
    return faulty.instance(
      {},
      {
        module: { readRepair: { timeoutMs } },
        dataSource: {
          replication: { master: connection, slaves: [{ ...connection, port: servers.replica.port }] },
        },
      },
    );
  };

  beforeAll(async () => {
    servers = await ReplicaServers.start();
    faulty = await Faulty.start('replica');
    await servers.caughtUp();
    ({ products: patient, application } = await instance(30_000));
  }, START_MS);
  afterEach(async () => {
    await faulty.heal();
    await servers.delay(0);
    await servers.caughtUp();
  });
  afterAll(async () => {
    await faulty?.close();
    await servers?.remove();
  }, START_MS);

  const plain = (id: string) => application.get(DataSource).getRepository(Product).findOneBy({ id });
  const overHttp = async (id: string) => fetch(`${await application.getUrl()}/products/${id}`);

  /** A row that shows which server answered. */
  async function marked(): Promise<Product> {
    const row = await faulty.seed();
    await servers.caughtUp();
    await servers.mark(faulty.stores.database.name, row.id, MARK);
    return row;
  }

  /** What a read from the replica tells of the first row, and of the mark. */
  async function fromReplica(id: string, mark: Product, reader = patient): Promise<(string | undefined)[]> {
    const rows = await reader.find({ where: { id: In([id, mark.id]) }, replica: true });
    return [id, mark.id].map((wanted) => rows.find((row) => row.id === wanted)?.title);
  }

  describe('without the option', () => {
    it('plain TypeORM sees stale rows, the repository does not', async () => {
      const row = await faulty.seed();
      await servers.caughtUp();
      await servers.pause();
      await faulty.others.update({ id: row.id, title: NEW });
      const inserted = await faulty.seed();
      expect((await plain(row.id))!.title).toBe(OLD);
      expect(await plain(inserted.id)).toBeNull();
      const where = { id: row.id };
      expect((await patient.findOneBy(where))!.title).toBe(NEW);
      expect((await patient.find({ where }))[0]!.title).toBe(NEW);
      expect((await patient.find({ where, barrier: true }))[0]!.title).toBe(NEW);
      expect((await patient.findAndCount({ where }))[0][0]!.title).toBe(NEW);
      expect((await patient.findWith((query) => query.where('row.id = :id', where)))[0]!.title).toBe(NEW);
      expect(await patient.existsBy({ id: inserted.id })).toBe(true);
      expect(await patient.count({ where: { id: inserted.id }, barrier: false })).toBe(1);
    });

    it('the interceptor cannot recognise a stale row in commit', async () => {
      const row = await faulty.seed();
      await servers.caughtUp();
      await servers.pause();
      await faulty.others.update({ id: row.id, title: NEW });
      expect(await (await overHttp(row.id)).json()).toMatchObject({ title: OLD });
    });

    it('the interceptor settles a stale row in prepare on the primary', async () => {
      const [changed, removed] = [await faulty.abandon('update'), await faulty.abandon('update')];
      await servers.caughtUp();
      await servers.pause();
      await faulty.expire();
      await faulty.otherService.sweep();
      await faulty.others.update({ id: changed.id, title: 'third title' });
      await faulty.others.remove(await faulty.others.findOneByOrFail({ id: removed.id }));
      expect(await plain(changed.id)).toMatchObject({ title: NEW, consistency: { state: 'prepare' } });
      expect(await plain(removed.id)).toMatchObject({ consistency: { state: 'prepare' } });
      expect(await (await overHttp(changed.id)).json()).toMatchObject({ title: 'third title' });
      expect((await overHttp(removed.id)).status).toBe(404);
    });
  });

  describe('with replica: true', () => {
    it('waits for what was acknowledged: its own writes, and those of others', async () => {
      const mark = await marked();
      await servers.delay(1);
      const own = await patient.insert({ sku: 'own', title: NEW });
      expect(await fromReplica(own.id, mark)).toEqual([NEW, MARK]);
      await faulty.others.update({ id: own.id, title: 'theirs' });
      expect(await fromReplica(own.id, mark)).toEqual(['theirs', MARK]);
      await faulty.others.remove(await faulty.others.findOneByOrFail({ id: own.id }));
      expect(await fromReplica(own.id, mark)).toEqual([undefined, MARK]);
    });

    it('every kind of read comes from the replica; counts without their barrier', async () => {
      const { id } = await marked();
      const where = { id };
      expect((await patient.findOneBy(where, { replica: true }))!.title).toBe(MARK);
      expect((await patient.findOneByOrFail(where, { replica: true })).title).toBe(MARK);
      expect((await patient.findBy(where, { replica: true }))[0]!.title).toBe(MARK);
      const built = await patient.findWith((query) => query.where('row.id = :id', where), { replica: true });
      expect(built[0]!.title).toBe(MARK);
      const counted = { where: { id, title: MARK }, replica: true, barrier: false };
      expect((await patient.findAndCount(counted))[1]).toBe(1);
      expect(await patient.count(counted)).toBe(1);
      expect(await patient.exists(counted)).toBe(true);
      expect(await patient.count({ ...counted, barrier: true })).toBe(0);
      expect(await patient.exists({ where: { id, title: MARK }, replica: true })).toBe(false);
      expect((await patient.find({ where, replica: true, barrier: true }))[0]!.title).toBe(OLD);
    });

    it('rows in prepare there: in flight', async () => {
      const mark = await marked();
      const write = await faulty.plan('update');
      const { held } = faulty.elasticsearch;
      faulty.elasticsearch.inject({ kind: 'hold' }, { ...BULK, times: 1 });
      const running = write.run();
      await until('the write is under way', () => faulty.elasticsearch.held === held + 1);
      expect(await fromReplica(write.id, mark)).toEqual([OLD, MARK]);
      await faulty.elasticsearch.release();
      expect(await running).toBeUndefined();
      expect(await fromReplica(write.id, mark)).toEqual([NEW, MARK]);
    });

    it('rows in prepare there: landed without an answer', async () => {
      const mark = await marked();
      const write = await faulty.plan('update');
      faulty.elasticsearch.inject({ kind: 'cut-after' }, { ...BULK, times: 1 });
      expect((await write.run())!.code).toBe('OUTCOME_UNKNOWN');
      expect(await fromReplica(write.id, mark)).toEqual([NEW, MARK]);
      expect(await faulty.row(write.id)).toMatchObject({ title: NEW, consistency_state: 'commit' });
    });

    it.each(['insert', 'update', 'delete'] as const)(
      'rows in prepare there: a lost %s is undone',
      async (operation) => {
        const mark = await marked();
        const write = await faulty.abandon(operation);
        await faulty.expire(write.id);
        const seen = write.before ?? undefined;
        expect(await fromReplica(write.id, mark)).toEqual([seen, MARK]);
        expect((await faulty.row(write.id))?.['title']).toBe(seen);
        expect(await fromReplica(write.id, mark)).toEqual([seen, MARK]);
      },
    );

    it('reads the primary while replication stands still, and the replica again afterwards', async () => {
      const mark = await marked();
      const { products: impatient } = await instance(100);
      expect(await fromReplica(mark.id, mark, impatient)).toEqual([MARK, MARK]);
      await servers.pause();
      const row = await faulty.seed({ title: NEW });
      expect(await fromReplica(row.id, mark, impatient)).toEqual([NEW, OLD]);
      await servers.resume();
      await until('the replica is tried again', async () => (await fromReplica(row.id, mark, impatient))[1] === MARK);
    });

    it('reads the primary while GTIDs are not on throughout', async () => {
      const mark = await marked();
      const { products } = await instance(30_000);
      await servers.onPrimary('SET GLOBAL gtid_mode = ON_PERMISSIVE');
      expect(await fromReplica(mark.id, mark, products)).toEqual([OLD, OLD]);
      await servers.onPrimary('SET GLOBAL gtid_mode = ON');
    });

    it('reads the primary where there is no replica, or it is down', async () => {
      const mark = await marked();
      expect(await fromReplica(mark.id, mark, faulty.others)).toEqual([OLD, OLD]);
      const { products } = await instance(30_000);
      await servers.replica.kill();
      try {
        expect(await fromReplica(mark.id, mark, products)).toEqual([OLD, OLD]);
      } finally {
        await servers.replica.start();
      }
    });
  });
});
