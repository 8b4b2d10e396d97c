import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Column, Entity, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import {
  Consistency,
  type ConsistentRepository,
  ConsistentService,
  defineConsistentRepository,
} from '../../../src/index.js';
import { Stores } from '../../support/application.js';

@Entity('studio')
class Studio {
  @PrimaryColumn() id!: number;
  @Column() name!: string;
  @Column(() => Consistency) consistency!: Consistency;
}

/** Points at studios, so that removing a studio is tried before it is promised. */
@Entity('contract')
class Contract {
  @PrimaryColumn() id!: number;
  @ManyToOne(() => Studio, { onDelete: 'RESTRICT' })
  @JoinColumn({ name: 'studioId' })
  studio!: Studio;
}

const BUSY_MS = 600;

/** Ways to use a unit of work that are easy to write and must not lose, or hang, anything. */
describe('a unit of work used in unusual ways', () => {
  let stores: Stores;
  let studios: ConsistentRepository<Studio>;
  let service: ConsistentService;
  const repository = () => target;
  let target: ReturnType<typeof defineConsistentRepository<Studio>>;

  beforeAll(async () => {
    stores = await Stores.create('review-unit');
    target = defineConsistentRepository(Studio, { index: stores.index('studios') });
    const application = await stores.start({
      entities: [Studio, Contract],
      repositories: [target],
      module: { busyTimeoutMs: BUSY_MS, writeTimeoutMs: 300, readRepair: { timeoutMs: 300 } },
      dataSource: { extra: { connectionLimit: 3 } },
    });
    studios = application.get(target);
    service = application.get(ConsistentService);
  });
  afterAll(() => stores.close());

  const both = async (id: number) => ({
    row: (await stores.row('studio', id))?.['name'],
    document: (await stores.document(studios.index, String(id)))?.source['name'],
  });

  it('writes one row twice from plain objects: the second goes over the first', async () => {
    await studios.save({ id: 1, name: 'old' });
    await service.transaction(async (tx) => {
      await tx.getRepository(repository()).save({ id: 1, name: 'first' } as Studio);
      await tx.getRepository(repository()).save({ id: 1, name: 'second' } as Studio);
    });
    expect(await both(1)).toEqual({ row: 'second', document: 'second' });
  });

  it('does not lose a save that runs beside a removal', async () => {
    await studios.saveMany([10, 11, 12, 13].map((id) => ({ id, name: 'old' })));
    await service.transaction(async (tx) => {
      const rows = tx.getRepository(repository());
      await Promise.all([
        rows.remove(studios.create({ id: 10 })),
        rows.save(studios.create({ id: 11, name: 'new' })),
        rows.remove(studios.create({ id: 12 })),
        rows.save(studios.create({ id: 13, name: 'new' })),
      ]);
    });
    expect([await both(10), await both(12)]).toEqual([{}, {}].map(() => ({ row: undefined, document: undefined })));
    expect([await both(11), await both(13)]).toEqual([
      { row: 'new', document: 'new' },
      { row: 'new', document: 'new' },
    ]);
  });

  it('refuses to commit while a write was not awaited', async () => {
    await studios.save({ id: 20, name: 'old' });
    let forgotten!: Promise<unknown>;
    const unit = service.transaction(async (tx) => {
      forgotten = tx.getRepository(repository()).save(studios.create({ id: 20, name: 'new' }));
      forgotten.catch(() => undefined);
    });
    await expect(unit).rejects.toMatchObject({ code: 'UNSUPPORTED_OPERATION' });
    await forgotten.catch(() => undefined);
    expect(await both(20)).toEqual({ row: 'old', document: 'old' });
    expect(await stores.database.query("SELECT id FROM studio WHERE consistency_state = 'prepare'")).toEqual([]);
  });

  it('sends nothing when its transaction ended on the way', async () => {
    await studios.save({ id: 25, name: 'old' });
    const version = (await stores.document(studios.index, '25'))!.version;
    const unit = service.transaction(async (tx) => {
      await tx.getRepository(repository()).save(studios.create({ id: 25, name: 'new' }));
      await tx.query('ROLLBACK');
    });
    await expect(unit).rejects.toMatchObject({ code: 'UNSUPPORTED_OPERATION' });
    expect(await both(25)).toEqual({ row: 'old', document: 'old' });
    expect((await stores.document(studios.index, '25'))!.version).toBe(version);
  });

  it('leaves nothing of a write that failed and was caught', async () => {
    await studios.saveMany([
      { id: 30, name: 'old' },
      { id: 31, name: 'old' },
    ]);
    await service.transaction(async (tx) => {
      const rows = tx.getRepository(repository());
      const tooLong = rows.save(studios.create({ id: 30, name: 'x'.repeat(300) }));
      await expect(tooLong).rejects.toMatchObject({ driverError: { code: 'ER_DATA_TOO_LONG' } });
      await rows.save(studios.create({ id: 31, name: 'new' }));
      await rows.save(studios.create({ id: 30, name: 'short' }));
    });
    expect([await both(30), await both(31)]).toEqual([
      { row: 'short', document: 'short' },
      { row: 'new', document: 'new' },
    ]);
    expect(await stores.database.query("SELECT id FROM studio WHERE consistency_state = 'prepare'")).toEqual([]);
  });

  it('does not wait for ever when all connections are held by units that meet a busy row', async () => {
    await studios.save({ id: 40, name: 'old' });
    await stores.database.query(
      `UPDATE studio SET consistency_state = 'prepare', consistency_version = consistency_version + 1,
         consistency_deadline = UTC_TIMESTAMP(6) + INTERVAL 1 HOUR, consistency_pending = JSON_OBJECT('operation', 'delete',
         'next', 'absent', 'before', 'present', 'decider', 'elasticsearch', 'version', 1, 'previous', NULL) WHERE id = 40`,
    );
    const units = [1, 2, 3].map(() =>
      service.transaction(async (tx) => {
        await tx.query('SELECT 1');
        await tx.getRepository(repository()).save(studios.create({ id: 40, name: 'new' }));
      }),
    );
    const ends = await Promise.all(
      units.map((unit) =>
        unit.then(
          () => 'written',
          (error: { code?: string }) => error.code,
        ),
      ),
    );
    expect(ends).toEqual(['ROW_BUSY', 'ROW_BUSY', 'ROW_BUSY']);
  });
});
