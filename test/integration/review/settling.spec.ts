import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { TestingModule } from '@nestjs/testing';
import { Column, DeleteDateColumn, Entity, PrimaryColumn } from 'typeorm';
import {
  Consistency,
  type ConsistentRepository,
  ConsistentService,
  defineConsistentRepository,
} from '../../../src/index.js';
import { ConsistentRegistry } from '../../../src/consistent.registry.js';
import { Stores } from '../../support/application.js';

@Entity('tune')
class Tune {
  @PrimaryColumn() id!: number;
  @Column({ unique: true }) name!: string;
  @DeleteDateColumn({ precision: 6 }) deletedAt!: Date | null;
  @Column(() => Consistency) consistency!: Consistency;
}

/** Settling under odd circumstances: rows are put into `prepare` by SQL, as a crashed writer would have left them. */
describe('settling', () => {
  let stores: Stores;
  let tunes: ConsistentRepository<Tune>;
  let service: ConsistentService;
  let application: TestingModule;

  beforeAll(async () => {
    stores = await Stores.create('review-settling');
    const target = defineConsistentRepository(Tune, { index: stores.index('tunes') });
    application = await stores.start({
      entities: [Tune],
      repositories: [target],
      module: { busyTimeoutMs: 20_000 },
    });
    tunes = application.get(target);
    service = application.get(ConsistentService);
  });
  afterAll(() => stores.close());

  /** An update that was prepared and never sent. `changes` is SQL. */
  const abandon = (
    ids: number | number[],
    changes: string,
    facts: { next?: string; before?: string; minutes?: number } = {},
  ) =>
    stores.database.query(
      `UPDATE tune SET consistency_pending = JSON_OBJECT('operation', 'update', 'next', ?, 'before', ?, 'decider', 'elasticsearch',
         'version', consistency_version, 'previous', JSON_OBJECT('id', CAST(id AS CHAR), 'name', name, 'deletedAt',
         CAST(deletedAt AS CHAR))), consistency_state = 'prepare', consistency_version = consistency_version + 1,
         consistency_deadline = UTC_TIMESTAMP(6) + INTERVAL ? MINUTE, ${changes} WHERE id IN (?)`,
      [facts.next ?? 'present', facts.before ?? 'present', facts.minutes ?? -1, ids],
    );
  const document = (id: number) => stores.document(tunes.index, String(id));

  it('gives a discarded soft removal no document', async () => {
    await tunes.save({ id: 1, name: 'one' });
    await abandon(1, "name = 'other', deletedAt = UTC_TIMESTAMP(6)", { next: 'absent' });
    await tunes.save({ id: 2, name: 'one' });
    await service.sweep();
    const [parked] = await service.parked.list();
    expect(parked).toMatchObject({ key: { id: '1' }, reason: 'restore-refused' });
    await service.parked.discard(parked!.id);
    expect(await stores.row('tune', 1)).toMatchObject({ name: 'other', consistency_state: 'commit' });
    expect(await document(1)).toBeUndefined();
  });

  it('waits at the barrier for every undecided row, however many', async () => {
    const ids = Array.from({ length: 1_050 }, (_, at) => 10_000 + at);
    await tunes.saveMany(ids.map((id) => ({ id, name: `many ${id}` })));
    await abandon(ids, "name = CONCAT('lost ', id)");
    const found = await tunes.find({ where: ids.map((id) => ({ name: `lost ${id}` })), barrier: true });
    expect(found).toEqual([]);
    expect(await stores.database.query("SELECT id FROM tune WHERE consistency_state = 'prepare'")).toEqual([]);
  });

  it('settles the neighbours of a document whose version cannot be read', async () => {
    await tunes.saveMany([20, 21, 22].map((id) => ({ id, name: `near ${id}` })));
    await abandon([20, 21, 22], "name = CONCAT('lost ', id)");
    await stores.client.index({
      index: tunes.index,
      id: '21',
      version: 9_007_199_254_740_993_000,
      version_type: 'external',
      document: { foreign: true },
    });
    expect(await service.sweep()).toMatchObject({ claimed: 3, settled: 2, failed: 1 });
    expect((await tunes.findOneBy({ id: 20 }))?.name).toBe('near 20');
    await expect(tunes.findOneBy({ id: 21 })).rejects.toMatchObject({ code: 'READ_UNSETTLED' });
    await stores.database.query('DELETE FROM tune WHERE id = 21');
  });

  it('leaves a write alone that came after the one that was claimed', async () => {
    await tunes.save({ id: 40, name: 'forty' });
    await abandon(40, "name = 'forty, in flight'", { minutes: 1 });
    const version = Number((await stores.row('tune', 40))!['consistency_version']);
    const context = application.get(ConsistentRegistry).all()[0]!;
    const { key } = (await context.store.undecided(10, false))[0]!;
    const settle = (claimed: number) =>
      context.settler.resolve([key], { purpose: 'sweep', timeoutMs: 5_000, claimed: new Map([[key.id, claimed]]) });
    expect((await settle(version - 1)).get(key.id)).toMatchObject({ settled: false, acted: null });
    expect((await settle(version)).get(key.id)).toMatchObject({ settled: true, acted: 'restored' });
  });

  it('shows the row as it is now, not an older image, when a recovered row is soft-removed again', async () => {
    await tunes.save({ id: 30, name: 'thirty' });
    const [removed] = await tunes.findBy({ id: 30 });
    await tunes.softRemove(removed!);
    await abandon(30, "name = 'thirty, recovered', deletedAt = NULL", { before: 'absent' });
    expect(await tunes.findBy({ id: 30 })).toEqual([]);
  });
});
